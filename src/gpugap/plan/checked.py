"""Held against what known training runs took: power, carbon and prices of a plan, from the hours that were published.

Nothing of the model is fitted to these runs. What bounds their steps is not known, so power is predicted for an unknown
bound, the widest case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gpugap.catalog import Catalog, Gpu
from gpugap.catalog.published_runs import PublishedRun, published_runs
from gpugap.core.estimate import Estimate
from gpugap.plan.footprint import J_PER_KWH, carbon, energy, intensity_of
from gpugap.plan.renting import price_span
from gpugap.predict.power import device_power, host_power, machine_power
from gpugap.stats.propagation import scaled

_ROUNDING = 1e-6
"""Of the unit's conversion, where a source took an end of the interval for the value."""
Quantity = Literal["energy", "carbon", "cost"]


@dataclass(frozen=True, slots=True)
class Case:
    """One published number beside what is predicted.

    Attributes:
        run: it belongs to.
        gpu: of the run.
        quantity: ``energy``, ``carbon`` or ``cost``.
        published: in J, gCO2e or USD.
        predicted: likewise, with its interval; unknown value where nothing is known of the device.
    """

    run: PublishedRun
    gpu: Gpu
    quantity: Quantity
    published: Estimate
    predicted: Estimate

    @property
    def scored(self) -> bool:
        """Whether there is a prediction."""
        return self.predicted.value is not None

    @property
    def inside(self) -> bool:
        """Whether the published number lies in the predicted interval."""
        low, high, value = self.predicted.low, self.predicted.high, self.published.value
        if low is None or high is None or value is None:
            return False
        return low * (1 - _ROUNDING) <= value <= high * (1 + _ROUNDING)

    @property
    def ratio(self) -> float | None:
        """Predicted over published; None without a prediction."""
        if self.predicted.value is None or not self.published.value:
            return None
        return self.predicted.value / self.published.value

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run.key,
            "gpu": self.gpu.key,
            "generation": self.gpu.architecture,
            "quantity": self.quantity,
            "basis": self.run.basis,
            "published": self.published.to_dict(),
            "predicted": self.predicted.to_dict(),
            "inside": self.inside,
        }


def cases(known: Catalog, runs: Sequence[PublishedRun] | None = None) -> list[Case]:
    """Every published number of every run.

    Args:
        known: the catalog.
        runs: the packaged ones where None.
    """
    return [case for run in (published_runs() if runs is None else runs) for case in _cases(known, run)]


def covered(found: Sequence[Case]) -> tuple[int, int]:
    """How many lie inside, of how many that are scored."""
    scored = [one for one in found if one.scored]
    return sum(one.inside for one in scored), len(scored)


def _cases(known: Catalog, run: PublishedRun) -> Iterator[Case]:
    gpu = known.gpu(run.gpu)
    used = predicted_energy(run, gpu)
    if run.energy_kwh is not None:
        yield Case(run, gpu, "energy", run.estimate(run.energy_kwh * J_PER_KWH, "J"), used)
    if run.carbon_kg is not None:
        place = known.country(run.country)
        met = scaled(used, run.pue, "J", f"{used.method}; PUE") if run.scope == "devices" and run.pue else used
        grams = carbon(met, intensity_of(place, known.countries(), run.year))
        yield Case(run, gpu, "carbon", run.estimate(run.carbon_kg * 1000, "gCO2e"), grams)
    if run.cost_usd is not None:
        price = price_span(known.price_list, run.gpu, spot=run.paid == "spot")
        paid = scaled(price, run.device_h, "USD", f"{run.device_h:g} h at the {price.method}")
        yield Case(run, gpu, "cost", run.estimate(run.cost_usd, "USD"), replace(paid, kind="predicted"))


def predicted_energy(run: PublishedRun, gpu: Gpu) -> Estimate:
    """Joules of the run's hours in the run's scope, without looking at its power, energy or carbon."""
    time = Estimate(run.device_h * 3600, None, None, None, "s", "published", "accelerator hours as published", None)
    power = device_power(gpu.tdp_w)
    overhead = None
    if run.pue is not None:
        overhead = Estimate(run.pue, None, None, None, "1", "published", f"PUE {run.pue:g} as published", None)
    if run.scope == "devices":
        return energy(power, time)
    host = host_power("cloud", 1)
    if run.scope == "machine":
        overhead = replace(overhead or time, value=1.0, unit="1", method="without the building")
    return energy(machine_power(power, host, "cloud", overhead), time)


def summary() -> str:
    """The check as Markdown: how many lie inside by generation, quantity and basis, and the misses."""
    from gpugap.catalog import load

    found = [one for one in cases(load()) if one.scored]
    inside, scored = covered(found)
    runs = {one.run.key for one in found}
    whole = len(runs) - len({one.run.key for one in found if not one.inside})
    lines = [
        f"{inside} of {scored} published numbers ({100 * inside / scored:.0f} %) lie inside; {whole} of {len(runs)} "
        "runs have all of theirs inside. Energy and carbon of one run are not independent.",
        "",
    ]
    lines += ["| of | inside | predicted over published, median | interval, median: low and high end over likely |"]
    lines += ["| --- | --- | --- | --- |"]
    for name, mine in _groups(found):
        ratios = sorted(one.ratio or 0.0 for one in mine)
        lows = sorted((one.predicted.low or 0.0) / (one.predicted.value or 1.0) for one in mine)
        highs = sorted((one.predicted.high or 0.0) / (one.predicted.value or 1.0) for one in mine)
        middle = len(mine) // 2
        ends = f"{lows[middle]:.2f} to {highs[middle]:.2f}"
        lines.append(f"| {name} | {covered(mine)[0]} of {len(mine)} | {ratios[middle]:.2f} | {ends} |")
    lines += ["", "Misses, by generation:", ""]
    missed = sorted((one for one in found if not one.inside), key=lambda one: (one.gpu.architecture, one.run.key))
    lines += [_miss(one) for one in missed] or ["- none"]
    lines += [_unscored(one) for one in cases(load()) if not one.scored]
    return "\n".join(lines)


def _groups(found: Sequence[Case]) -> Iterator[tuple[str, list[Case]]]:
    for basis in dict.fromkeys(one.run.basis for one in found):
        yield basis, [one for one in found if one.run.basis == basis]
    for quantity in ("energy", "carbon", "cost"):
        yield quantity, [one for one in found if one.quantity == quantity]
    for generation in sorted({one.gpu.architecture for one in found}):
        yield generation, [one for one in found if one.gpu.architecture == generation]


def _miss(one: Case) -> str:
    told = f"{one.ratio:.2f} times what was published" if one.ratio else "no ratio"
    notes = f" ({one.run.notes})" if one.run.notes else ""
    return f"- {one.gpu.architecture}: {one.run.name}, {one.quantity}: predicted {told}{notes}"


def _unscored(one: Case) -> str:
    return f"- not scored: {one.run.name}, {one.quantity}: {one.predicted.method}"
