"""The tables of ``gpugap access`` as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, amount, gibibytes, significant
from gpugap.plan.access import InCountry, Terms
from gpugap.plan.footprint import J_PER_KWH
from gpugap.plan.imbalance import Imbalance
from gpugap.plan.owned import Reach

Row = tuple[str, ...]
Text = Callable[[float | None], str]

RUN_HEADER = ("run", "GPU", "time", "cost", "range", "energy", "range ", "of the grant", "of own income", "kind")
RUN_NUMBERS = frozenset(RUN_HEADER[2:9])
GROUP_HEADER = ("run", "GPU", "cost", "low", "lower-middle", "upper-middle", "high", "kind")
GROUP_NUMBERS = frozenset(GROUP_HEADER[2:7])
COUNTRY_HEADER = ("country", "income", "GDP a head", "of a year", "work", "range", "CO2e", "range ", "nearest region")
COUNTRY_NUMBERS = frozenset(COUNTRY_HEADER[2:8])
TIER_HEADER = ("free notebook", "time", "range", "sessions", "limits")
TIER_NUMBERS = frozenset(TIER_HEADER[1:4])
IMBALANCE_HEADER = ("known compute", "groups", "holders", "Gini", "90 %", "others at 0", "largest", "share", "90 % ")
IMBALANCE_NUMBERS = frozenset(("groups", "holders", "Gini", "90 %", "others at 0", "share", "90 % "))
MOST_SHOWN = 12


def run_rows(runs: Sequence[Terms]) -> list[Row]:
    """What each run takes, as `RUN_HEADER` names it."""
    return [
        (
            one.job.name,
            _device(one),
            span(one.job.time.value),
            dollars(one.cost.value),
            between(one.cost, dollars),
            kwh(one.energy.value),
            between(one.energy, kwh),
            percent(one.grant_share.value) if one.grant_share else "",
            span(one.own_work_time.value) if one.own_work_time else "",
            kind_text(one),
        )
        for one in runs
    ]


def group_rows(runs: Sequence[Terms]) -> list[Row]:
    """Work at GDP a head in the median country of each income group, as `GROUP_HEADER` names it."""
    return [
        (
            one.job.name,
            _device(one),
            dollars(one.cost.value),
            *(span(group.work_time.value) for group in one.groups),
            kind_text(one),
        )
        for one in runs
    ]


def country_rows(places: Sequence[InCountry]) -> list[Row]:
    """One row a country, as `COUNTRY_HEADER` names it."""
    return [
        (
            one.country.name,
            one.economy.income if one.economy else UNKNOWN,
            dollars(one.economy.gdp_per_head_usd) if one.economy else UNKNOWN,
            percent(one.year_share.value),
            span(one.work_time.value),
            between(one.work_time, span),
            grams(one.emissions.value),
            between(one.emissions, grams),
            nearest_text(one),
        )
        for one in places
    ]


def tier_rows(run: Terms) -> list[Row]:
    """Free notebooks that have the GPU, as `TIER_HEADER` names them."""
    return [
        (
            one.tier.key,
            days(one.time.value),
            between(one.time, days),
            f"{one.sittings.value:.0f}",
            one.tier.limits,
        )
        for one in run.tiers
        if one.time.value is not None and one.sittings.value is not None
    ]


def tiers_left_out(run: Terms) -> list[str]:
    """Free notebooks of which nothing can be told, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for one in run.tiers:
        if one.time.value is None:
            by_reason.setdefault(one.time.method, []).append(one.tier.service)
    return [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in by_reason.items()]


def imbalance_rows(views: Sequence[Imbalance]) -> list[Row]:
    """Each view with its top shares, one a line, as `IMBALANCE_HEADER` names them."""
    rows: list[Row] = []
    for one in views:
        heads: Row = (
            one.title,
            str(len(one.groups)),
            str(one.drawn),
            ratio(one.gini.value),
            between(one.gini, ratio),
            ratio(one.gini_with_none.value) if one.gini_with_none else "",
        )
        for name, share in one.tops.items():
            rows.append((*heads, name, percent(share.value), between(share, percent)))
            heads = ("",) * len(heads)
    return rows


def memory_header(reached: Sequence[Reach]) -> Row:
    """Network, need, and the months of the survey."""
    months = list(reached[0].shares) if reached else []
    return ("network", "need", *months, *(["range"] if months else []))


def memory_rows(reached: Sequence[Reach]) -> list[Row]:
    """Shares of computers with enough memory, as `memory_header` names them; the range is of the last month."""
    return [
        (
            one.network,
            gibibytes(one.need.value),
            *(percent(share.value) for share in one.shares.values()),
            *(between(share, percent) for share in list(one.shares.values())[-1:]),
        )
        for one in reached
    ]


def chosen(run: Terms, wanted: Sequence[str]) -> list[InCountry]:
    """The countries of these codes; without any, three of each income group: with the least, median, most work."""
    if wanted:
        by_code = {one.country.iso3: one for one in run.countries}
        return [by_code[code] for code in wanted]
    found: list[InCountry] = []
    for group in run.groups:
        inside = [one for one in run.countries if one.economy and one.economy.income == group.income]
        inside = [one for one in inside if one.work_time.value is not None and one.country.carbon]
        inside.sort(key=lambda one: one.work_time.value or 0.0)
        places = sorted({0, len(inside) // 2, len(inside) - 1}) if inside else []
        found += [inside[place] for place in places]
    return sorted(found, key=lambda one: -(one.work_time.value or 0.0))


def kind_text(run: Terms) -> str:
    """The kind of a run's time; where its step was measured, that too."""
    return f"{run.job.time.kind.upper()}{', STEP MEASURED' if run.job.step_kind == 'measured' else ''}"


def nearest_text(one: InCountry) -> str:
    """``AWS eu-west-1, Dublin, 850 km``; unknown where no offer says where it is."""
    near = one.nearest
    if near is None or near.distance.value is None:
        return UNKNOWN
    return f"{near.label}{', inside' if near.inside else f', {significant(near.distance.value / 1000, 2)} km'}"


def span(time_s: float | None) -> str:
    """A time for reading: seconds, minutes, or hours however many."""
    if time_s is None:
        return UNKNOWN
    scale, unit = next(((scale, unit) for scale, unit in ((3600.0, "h"), (60.0, "min")) if time_s >= scale), (1.0, "s"))
    return f"{significant(time_s / scale)} {unit}"


def days(time_s: float | None) -> str:
    """A time for reading: in days from one day on."""
    return f"{significant(time_s / 86400, 2)} d" if time_s is not None and time_s >= 86400 else span(time_s)


def dollars(value: float | None) -> str:
    """US dollars for reading."""
    return UNKNOWN if value is None else amount(value, "USD")


def kwh(energy_j: float | None) -> str:
    """An energy in kilowatt-hours, for reading."""
    return UNKNOWN if energy_j is None else f"{significant(energy_j / J_PER_KWH)} kWh"


def grams(mass_g: float | None) -> str:
    """Emissions for reading, in grams, kilograms or tonnes."""
    if mass_g is None:
        return UNKNOWN
    scale, unit = next(((scale, unit) for scale, unit in ((1e6, "t"), (1e3, "kg")) if mass_g >= scale), (1.0, "g"))
    return f"{significant(mass_g / scale)} {unit}"


def percent(share: float | None) -> str:
    """A share for reading."""
    return UNKNOWN if share is None else f"{significant(100 * share)} %"


def ratio(value: float | None) -> str:
    """A number without unit, for reading."""
    return UNKNOWN if value is None else significant(value)


def between(estimate: Estimate, words: Text) -> str:
    """The ends of an interval in words; empty without one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{words(estimate.low)} – {words(estimate.high)}"


def _device(run: Terms) -> str:
    return run.job.gpu.name if run.job.count == 1 else f"{run.job.count} × {run.job.gpu.name}"
