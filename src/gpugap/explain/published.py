"""Published speedups beside predicted ones: what the ratio of peaks allows, and which host the figure would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.catalog.processors import Cpu, cpu
from gpugap.catalog.published import PublishedSpeedup
from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, amount, significant
from gpugap.explain.crossover import OwnCpu
from gpugap.explain.gap import speedup
from gpugap.predict.prediction import Prediction

HOST = "colab-broadwell"
"""Key in the catalog of the host that notebooks put beside a T4: one core with AVX2 at 2.2 GHz."""
CORES = (1, 2, 16)


@dataclass(frozen=True, slots=True)
class Claim:
    """A published speedup, and what is predicted of the same network on the same GPU.

    Attributes:
        published: the row.
        prediction: of the GPU.
        own: this machine's CPU, each setup with the speedup of the GPU over it.
        flops: of the step.
        cpu_flop_per_s: the fastest rate of this machine's CPU.
    """

    published: PublishedSpeedup
    prediction: Prediction
    own: tuple[tuple[OwnCpu, Estimate], ...]
    flops: int
    cpu_flop_per_s: float

    def peak_ratio(self, cores: int) -> float:
        """The GPU's peak over that of so many of the host's cores."""
        return self.prediction.peak_flop_per_s / (cores * core_flop_per_s(cpu(HOST)))

    def needed_flop_per_s(self) -> tuple[float, float]:
        """What the published baseline must have reached, by the low and the high end of the published speedup."""
        step_s = self.prediction.step_time.value or 0.0
        low, high = published_ends(self.published.speedup)
        return self.flops / (high * step_s), self.flops / (low * step_s)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "workload": self.prediction.workload,
            "mode": self.prediction.mode,
            "batch": self.prediction.batch,
            "gpu_id": self.prediction.gpu_id,
            "published": self.published.speedup.to_dict(),
            "own": [{"setup": one.label, "speedup": found.to_dict()} for one, found in self.own],
            "peak_ratio_by_cores": {str(cores): self.peak_ratio(cores) for cores in CORES},
            "needed_flop_per_s": list(self.needed_flop_per_s()),
            "told": list(self.sentences()),
        }

    def line(self) -> str:
        """The figures in a line: published, and predicted over each setup of this machine's CPU."""
        made = self.prediction
        told = [f"{_ratio(found)} over this CPU {one.label}" for one, found in self.own]
        figure = published_words(self.published.speedup)
        return f"{made.workload} {made.mode} on {made.gpu_name}: published {figure}; predicted {', '.join(told)}"

    def sentences(self) -> tuple[str, str]:
        """How much the ratio of peaks allows, and which host the published figure would take."""
        host = cpu(HOST)
        one, *more = (f"{significant(self.peak_ratio(cores))}" for cores in CORES)
        counts = [f"{figure} of {_count(cores)}" for cores, figure in zip(CORES[1:], more, strict=True)]
        peaks = (
            f"{self.prediction.gpu_name}'s {self.prediction.precision} peak is {one} times that of one "
            f"{_isa(host)} core at {host.base_ghz:g} GHz, {', '.join(counts)}. A larger speedup says that the CPU ran "
            f"further below its peak than the GPU below its own."
        )
        return peaks, self._host_sentence(host)

    def _host_sentence(self, host: Cpu) -> str:
        figure = published_words(self.published.speedup)
        needed = self.needed_flop_per_s()
        shares = [f"{_share(needed, cores * core_flop_per_s(host))} of {_count(cores)}" for cores in CORES]
        text = (
            f"At the predicted {self.prediction.gpu_name} time, {figure} needs a CPU that reaches "
            f"{_span(*(amount(end, 'FLOP/s') for end in needed))}: {', '.join(shares)} such cores' peak."
        )
        measured = [one for one, _ in self.own if one.step_time.kind == "measured" and one.step_time.value]
        for label, rate in ((one.label, self.flops / (one.step_time.value or 1.0)) for one in measured):
            share = rate / self.cpu_flop_per_s
            text += f" This machine's CPU reaches {amount(rate, 'FLOP/s')} {label}"
            if share < 1:
                cores = [significant(end / share / core_flop_per_s(host), 2) for end in needed]
                text += (
                    f", {100 * share:.0f} % of its fastest matrix product; at that share of its peak, the host of the "
                    f"published figure has {_span(*cores)} such cores"
                )
            text += "."
        return text


def claim(published: PublishedSpeedup, prediction: Prediction, own: Sequence[OwnCpu], cpu_flop_per_s: float) -> Claim:
    """The claim beside what is predicted.

    Args:
        published: of the same network, mode and GPU.
        prediction: of that GPU.
        own: this machine's CPU at the prediction's batch.
        cpu_flop_per_s: its fastest rate.
    """
    pairs = tuple((one, speedup(one.step_time, prediction.step_time)) for one in own)
    return Claim(published, prediction, pairs, sum(op.flops for op in prediction.ops), cpu_flop_per_s)


def core_flop_per_s(host: Cpu) -> float:
    """Peak of one core in fp32 at base clock."""
    return host.peak_fp32_flop_per_s / host.cores


def published_ends(figure: Estimate) -> tuple[float, float]:
    """Both ends of a published range; a single number twice."""
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    assert low is not None and high is not None
    return low, high


def published_words(figure: Estimate) -> str:
    """The figure as it was published: ``246×``, ``51× to 116×``."""
    return _span(*(f"{end:g}×" for end in published_ends(figure)))


def _ratio(found: Estimate) -> str:
    """A speedup with its interval: ``46.8× (30.6 to 71.5)``."""
    if found.value is None:
        return UNKNOWN
    if found.low is None or found.high is None:
        return f"{significant(found.value)}×"
    return f"{significant(found.value)}× ({significant(found.low)} to {significant(found.high)})"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _share(needed: tuple[float, float], peak: float) -> str:
    return _span(*(f"{significant(100 * end / peak, 2)} %" for end in needed))


def _count(cores: int) -> str:
    return {1: "one", 2: "two", 16: "sixteen"}[cores]


def _isa(host: Cpu) -> str:
    return host.vector_isa.partition("+")[0]
