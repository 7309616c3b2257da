"""Forecasts: what is said of a step on GPUs that are not here, and how it reads."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpugap.catalog import gpu
from gpugap.core.errors import BadValue, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.core.table import filled_columns, html_table, text_table
from gpugap.core.units import UNKNOWN, lasting, seconds, significant
from gpugap.explain.crossover import CpuTimes, SweepPoint
from gpugap.explain.gap import Gap, kind_shares, module_shares
from gpugap.predict.fit import FitVerdict
from gpugap.predict.prediction import Prediction
from gpugap.study.rows import estimate_text, interval_text

PREDICT_HEADER = (
    "GPU",
    "step time",
    "interval",
    "samples/s",
    "epoch",
    "run",
    "run from – to",
    "bound by",
    "faster from batch",
    "memory",
    "domain",
    "kind",
)
PREDICT_NUMBERS = frozenset({"step time", "interval", "samples/s", "epoch", "run"})
PREDICT_SPARE = frozenset({"samples/s", "epoch", "bound by"})
PREDICT_STACKS = {"step time": ("", "interval"), "run": ("", "run from – to")}
"""Columns that a narrow terminal does without, and under which another one stands there."""
LEAST_SHARE = 5e-4
"""Parts of a step below this share are not worth a word."""
RUN_NOTE = "steps alone: input pipeline, evaluation and start-up are not in it"


@dataclass(frozen=True, slots=True)
class Training:
    """How long a run is.

    Attributes:
        samples: an epoch; None where only steps are asked for.
        epochs: of the run; None where only an epoch is.
    """

    samples: int | None = None
    epochs: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("samples", self.samples), ("epochs", self.epochs)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise BadValue(f"{name} {value}", "give a number above zero")
        if self.epochs is not None and self.samples is None:
            raise BadValue("epochs without samples", "say how many samples an epoch has, too")

    def epoch(self, step: Estimate, batch: int) -> Estimate | None:
        """Time of an epoch, its last batch as long as a full one."""
        return None if self.samples is None else times(step, math.ceil(self.samples / batch))

    def run(self, step: Estimate, batch: int) -> Estimate | None:
        """Time of all epochs."""
        if self.samples is None or self.epochs is None:
            return None
        return times(step, self.epochs * math.ceil(self.samples / batch))


@dataclass(frozen=True, slots=True)
class Forecast:
    """A step on one GPU, and what follows from it.

    Attributes:
        prediction: of the step.
        throughput: samples a second.
        epoch_time: of the steps of an epoch; None where its samples were not told.
        run_time: of all epochs' steps; None where they were not told.
        cpu: the same step on this CPU.
        sweep: both at several batches; empty where no other batch follows or many GPUs were asked for.
        faster_from: the batch from which on the GPU is faster than this CPU.
        gap: what the speedup over this CPU consists of; None where nothing is multiplied.
        fits: whether the step fits the GPU's memory; None where that was not judged.
    """

    prediction: Prediction
    throughput: Estimate
    epoch_time: Estimate | None
    run_time: Estimate | None
    cpu: Estimate
    sweep: tuple[SweepPoint, ...]
    faster_from: Estimate
    gap: Gap | None
    fits: FitVerdict | None = None

    @property
    def step_time(self) -> Estimate:
        """Of the step on the GPU."""
        return self.prediction.step_time

    def to_dict(self) -> dict[str, Any]:
        """As an entry of ``gpugap.predict/1``."""
        ops = self.prediction.ops
        return self.prediction.to_dict() | {
            "throughput_per_s": self.throughput.to_dict(),
            "epoch_time_s": self.epoch_time.to_dict() if self.epoch_time else None,
            "run_time_s": self.run_time.to_dict() if self.run_time else None,
            "crossover_batch": self.faster_from.to_dict(),
            "sweep": [point.to_dict() for point in self.sweep],
            "kinds": [share.to_dict() for share in kind_shares(ops)],
            "modules": [share.to_dict() for share in module_shares(ops)],
            "gap": self.gap.to_dict() if self.gap else None,
            "fits": self.fits,
        }


@dataclass(frozen=True)
class Forecasts:
    """A step on one or more GPUs; ``forecasts["t4"]`` is one of them.

    Attributes:
        forecasts: in the order asked for.
        own: this CPU.
        left_out: GPUs that were passed over, each with the reason.
    """

    forecasts: tuple[Forecast, ...]
    own: CpuTimes
    left_out: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Forecast:
        for one in self.forecasts:
            if key.lower() in (one.prediction.gpu_id, one.prediction.gpu_name.lower()):
                return one
        wanted = gpu(key).key
        for one in self.forecasts:
            if one.prediction.gpu_id == wanted:
                return one
        raise UnknownName("GPU of these", key, [one.prediction.gpu_id for one in self.forecasts])

    def __iter__(self) -> Iterator[Forecast]:
        return iter(self.forecasts)

    def __len__(self) -> int:
        return len(self.forecasts)

    @property
    def uncounted(self) -> Mapping[str, str]:
        """Operators whose work is not known, with how often and where they were met first."""
        return {name: where for one in self.forecasts for name, where in one.prediction.uncounted.items()}

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.predict/1``."""
        first = self.forecasts[0]
        cpu = {"setup": self.own.setup, "step_time_s": first.cpu.to_dict(), "rates": self.own.rates.to_dict()}
        return {
            "gpus": [one.to_dict() for one in self.forecasts],
            "cpu": cpu,
            "uncounted_ops": [{"op": name, "where": where} for name, where in self.uncounted.items()],
            "left_out": list(self.left_out),
        }

    def __repr__(self) -> str:
        header, rows = filled_columns(PREDICT_HEADER, predict_rows(self))
        return f"{text_table(header, rows)}\n{levels_told(self)}".rstrip()

    def _repr_html_(self) -> str:
        header, rows = filled_columns(PREDICT_HEADER, predict_rows(self))
        told = html.escape(levels_told(self))
        return html_table(header, (tuple(map(html.escape, row)) for row in rows)) + (f"<p>{told}</p>" if told else "")


def predict_rows(found: Forecasts) -> list[tuple[str, ...]]:
    """This CPU, then one row a GPU, as `PREDICT_HEADER` names them."""
    cpu, batch = found.forecasts[0].cpu, found.forecasts[0].prediction.batch
    rough = "" if is_told(cpu) else "roughly "
    own = f"this CPU {found.own.setup}".strip()
    rate = f"{rough}{significant(batch / cpu.value)}" if cpu.value else UNKNOWN
    blank = [""] * (len(PREDICT_HEADER) - 5)
    rows: list[tuple[str, ...]] = [
        (own, f"{rough}{estimate_text(cpu)}", interval_text(cpu), rate, *blank, cpu.kind.upper())
    ]
    for one in found:
        lasts = [_span(time) for time in (one.epoch_time, one.run_time)] + [span_ends(one.run_time)]
        told = (
            one.prediction.bound,
            crossover_words(one.faster_from),
            one.fits or "not judged",
            one.prediction.domain,
            one.step_time.kind.upper(),
        )
        numbers = (estimate_text(one.step_time), interval_text(one.step_time), significant(one.throughput.value or 0))
        rows.append((one.prediction.gpu_name, *numbers, *lasts, *told))
    return rows


def levels_told(found: Forecasts) -> str:
    """The levels of the intervals: ``intervals: 90 % predicted, 95 % measured``; empty without any."""
    every = [time for one in found for time in (one.step_time, one.cpu)]
    levels = {time.kind: f"{100 * time.level:g} % {time.kind}" for time in every if time.level is not None}
    return f"intervals: {', '.join(levels.values())}" if levels else ""


def assumed(found: Forecasts) -> dict[str, str]:
    """What was assumed, each once, with the GPUs that it holds for where it does not hold for all."""
    every: dict[tuple[str, str], list[str]] = {}
    for one in found:
        for topic, said in one.prediction.assumed.items():
            every.setdefault((topic, said), []).append(one.prediction.gpu_name)
    return {
        topic if len(gpus) == len(found) else f"{topic} on {', '.join(gpus)}": said
        for (topic, said), gpus in every.items()
    }


def why(one: Forecast, most_kinds: int) -> Iterator[str]:
    """Why a step takes what it takes on a GPU, a sentence a line.

    Args:
        one: the GPU.
        most_kinds: so many kinds of work are told.
    """
    found = one.prediction
    shares = [f"{share.name} {100 * share.share:.0f} % ({share.bound})" for share in kind_shares(found.ops)]
    yield f"{found.gpu_name}: {', '.join(shares[:most_kinds])} of the time of its operators"
    least_s = LEAST_SHARE * (found.step_time.value or 0.0)
    parts = [f"{part} {seconds(time_s)}" for part, time_s in found.parts_s.items() if time_s > least_s]
    yield f"  the step: {' + '.join(parts)}"
    if found.attention_kernel:
        yield f"  attention: {found.attention_kernel} kernel"
    if one.gap and one.gap.speedup.value:
        factors = [f"{factor.name} {significant(factor.ratio)}" for factor in one.gap.factors]
        rough = "" if is_told(one.cpu) else "roughly "
        yield f"  over this CPU: {rough}{significant(one.gap.speedup.value)}× = {' × '.join(factors)}"


def is_told(cpu: Estimate) -> bool:
    """Whether a CPU's time is measured or carried over from a measured one; else it is rough."""
    return cpu.kind == "measured" or cpu.low is not None


def crossover_words(found: Estimate) -> str:
    """The crossover for reading: ``12 (8 to 20)``, ``every batch``, ``none``."""
    if found.value is None:
        return "none" if found.method.startswith("none") else UNKNOWN
    if found.value == 1 and found.high in (None, 1):
        return "every batch"
    if found.low is None or found.high is None or found.low == found.high:
        return f"{found.value:.0f}"
    return f"{found.value:.0f} ({found.low:.0f} to {found.high:.0f})"


def _span(time: Estimate | None) -> str:
    return "" if time is None or time.value is None else lasting(time.value)


def span_ends(time: Estimate | None) -> str:
    """The ends of a run's time: ``54 min 45 s – 1 h 17 min``; empty without an interval."""
    return (
        "" if time is None or time.low is None or time.high is None else f"{lasting(time.low)} – {lasting(time.high)}"
    )


def times(step: Estimate, count: float, unit: str = "s", how: str = RUN_NOTE) -> Estimate:
    """So many steps: an error of the model is in each of them, so the interval grows with their number."""
    value, low, high = (None if end is None else end * count for end in (step.value, step.low, step.high))
    return Estimate(value, low, high, step.level, unit, step.kind, how, step.n)
