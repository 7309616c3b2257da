"""How unequally known compute is held, by country, by sector and by US university.

What is bootstrapped is which holders a list happens to hold: clusters, or universities. What no bootstrap reaches is
who is missing from a list for a reason; `Imbalance.coverage` says what is known of that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpugap.catalog.compute import KnownCompute, coverage, known_compute
from gpugap.catalog.economies import economies
from gpugap.catalog.facts import Fact
from gpugap.catalog.grid import country
from gpugap.core.errors import UnknownName
from gpugap.core.estimate import Estimate
from gpugap.stats.bootstrap import concentration_interval, drawn_counts, percentile_interval
from gpugap.stats.inequality import best_supplied, gini, lorenz, top_share
from gpugap.stats.propagation import ends

LEVEL = 0.90
TOPS = (1, 5, 10)
SEED = 20261124
VIEWS = (
    "country",
    "country-per-head",
    "supercomputer-country",
    "sector",
    "university",
    "university-per-student",
)
EVERYTHING = "everything"
"""Group of a `Coverage` that tells what a list holds of all."""
_SUMS = ("supercomputer-country",)
"""Views of which only sums by group are known."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """What one group of holders has.

    Attributes:
        name: of the country, the sector or the university.
        amount: in the unit of the view.
        share: of all that is known, with interval.
    """

    name: str
    amount: Estimate
    share: Estimate

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``groups`` in ``gpugap.access/1``."""
        return {"name": self.name, "amount": self.amount.to_dict(), "share": self.share.to_dict()}


@dataclass(frozen=True, slots=True)
class Imbalance:
    """One view of who holds known compute.

    Attributes:
        view: one of `VIEWS`.
        title: in words.
        groups: all of them, the largest first.
        drawn: holders behind them; what the bootstrap draws.
        total: of all groups.
        gini: over the groups, with interval.
        gini_with_none: over all countries of the catalog, those without known compute at 0; None elsewhere.
        tops: shares of the largest 1, 5 and 10 groups (fewer where there are not as many), or of the 1, 5 and 10 % of
            people with the most a head.
        curve: Lorenz curve, pairs of cumulative shares of groups (or people) and of compute.
        left_out: holders that could not be placed.
        coverage: what the list does not see.
        source: of the facts.
    """

    view: str
    title: str
    groups: tuple[Share, ...]
    drawn: int
    total: Estimate
    gini: Estimate
    gini_with_none: Estimate | None
    tops: Mapping[str, Estimate]
    curve: tuple[tuple[float, float], ...]
    left_out: str
    coverage: tuple[str, ...]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``imbalance`` in ``gpugap.access/1``."""
        return {
            "view": self.view,
            "title": self.title,
            "groups": [one.to_dict() for one in self.groups],
            "drawn": self.drawn,
            "total": self.total.to_dict(),
            "gini": self.gini.to_dict(),
            "gini_with_none": self.gini_with_none.to_dict() if self.gini_with_none else None,
            "tops": {name: share.to_dict() for name, share in self.tops.items()},
            "curve": [list(point) for point in self.curve],
            "left_out": self.left_out,
            "coverage": list(self.coverage),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class _Table:
    """Holders by group: amounts of shape ``(holders,)``, the group of each, and the people of each group."""

    title: str
    names: tuple[str, ...]
    amounts: Floats
    group: NDArray[np.int64]
    people: Floats | None
    unit: str
    cites: str
    coverage: tuple[str, ...]
    left_out: str


@functools.cache
def imbalance(view: str) -> Imbalance:
    """One of `VIEWS` from the packaged table.

    Raises:
        UnknownName: no such view.
    """
    if view not in VIEWS:
        raise UnknownName("view", view, VIEWS)
    return imbalance_of(view, known_compute())


def imbalance_of(view: str, rows: Sequence[KnownCompute]) -> Imbalance:
    """One of `VIEWS` from rows of known compute."""
    table = _table(view, rows)
    sums = _sums(table, np.ones((1, len(table.amounts))))[0]
    drawn = None if view in _SUMS else _drawn(table)
    p, q = lorenz(sums, table.people)
    total = float(sums.sum())
    groups = _shares(table, sums, drawn)
    return Imbalance(
        view=view,
        title=table.title,
        groups=groups,
        drawn=len(table.amounts),
        total=_plain(table, total, table.unit),
        gini=_estimated(table, float(gini(sums, table.people)), _gini_of(drawn)),
        gini_with_none=_with_none(table, view, sums),
        tops=_tops(table, sums, drawn),
        curve=tuple((float(x), float(y)) for x, y in zip(p, q, strict=True)),
        left_out=table.left_out,
        coverage=(*table.coverage, *_held_against(view, groups)),
        source=table.cites,
    )


def _held_against(view: str, groups: Sequence[Share]) -> Iterator[str]:
    """What the authors of the list make of it, and how far what they do not list could move the largest share."""
    if view not in ("country", "sector"):
        return
    ours = {one.name: one.share for one in groups}
    told = [one for one in coverage() if one.scope == "cluster" and one.share is not None]
    for one in told:
        if (mine := ours.get(one.group)) is not None and one.share is not None:
            value, low, high = (_percent(end) for end in ends(mine))
            found = f"{_percent(one.share)}, here {value} ({low} to {high})"
            yield f"{one.told}: {found}; {one.source}, {one.date}"
    held = [one.share for one in told if one.group == EVERYTHING and one.share is not None]
    largest = groups[0].share.value
    if held and largest is not None:
        least, most = (_percent(share) for share in (largest * min(held), 1 - (1 - largest) * min(held)))
        name = groups[0].name
        yield (
            f"If {name} had none of what the list leaves out, its share of all would be {least}; if it had all of it, "
            f"{most}. No interval here holds that"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Replicates, shape ``(replicates, groups)``; ``fixed``: whether each column is one group in all of them."""

    amounts: Floats
    people: Floats | None
    fixed: bool


def _drawn(table: _Table) -> _Drawn:
    """Holders drawn with replacement, draws that hold nothing left out.

    Summed by group; where each is its own group, as often as it came.
    """
    counts = drawn_counts(len(table.amounts), SEED)
    counts = counts[counts @ table.amounts > 0]
    if len(table.names) != len(table.amounts):
        sums = _sums(table, counts)
        return _Drawn(sums, None if table.people is None else np.broadcast_to(table.people, sums.shape), True)
    places = np.stack([np.repeat(np.arange(len(row)), row.astype(np.int64)) for row in counts])
    people = None if table.people is None else table.people[table.group[places]]
    return _Drawn(table.amounts[places], people, False)


def _gini_of(drawn: _Drawn | None) -> Floats | None:
    return None if drawn is None else gini(drawn.amounts, drawn.people)


def _sums(table: _Table, counts: Floats) -> Floats:
    """Sums by group, shape ``(replicates, groups)``, holders counted as often as they were drawn."""
    which = np.zeros((len(table.amounts), len(table.names)))
    which[np.arange(len(table.amounts)), table.group] = table.amounts
    found: Floats = counts @ which
    return found


def _plain(table: _Table, value: float, unit: str, told: str = "") -> Estimate:
    return Estimate(value, None, None, None, unit, "published", f"{table.cites}{told}", None)


def _estimated(table: _Table, value: float, replicates: Floats | None, *, concentrated: bool = True) -> Estimate:
    """A share or a Gini coefficient with its interval; a single group's share is not ``concentrated``, and unbiased."""
    if replicates is None:
        return _plain(table, value, "1", "; sums by country, no interval")
    ends_of = concentration_interval if concentrated else percentile_interval
    low, high = ends_of(replicates, value, LEVEL)
    how = "percentiles and their mirror" if concentrated else "percentiles"
    method = f"{table.cites}; bootstrap of holders, {how}"
    return Estimate(value, low, high, LEVEL, "1", "published", method, len(table.amounts))


def _shares(table: _Table, sums: Floats, drawn: _Drawn | None) -> tuple[Share, ...]:
    """Every group, the largest first; of a holder that is its own group the share has no interval."""
    parts = drawn.amounts / drawn.amounts.sum(axis=1, keepdims=True) if drawn and drawn.fixed else None
    return tuple(
        Share(
            table.names[place],
            _plain(table, float(sums[place]), table.unit),
            _plain(table, float(sums[place] / sums.sum()), "1")
            if parts is None
            else _estimated(table, float(sums[place] / sums.sum()), parts[:, place], concentrated=False),
        )
        for place in np.argsort(-sums, kind="stable")
    )


def _tops(table: _Table, sums: Floats, drawn: _Drawn | None) -> dict[str, Estimate]:
    """Shares of the largest groups; where people count, of those with the most a head."""
    if table.people is None:
        return {
            f"{count} of {len(sums)}": _estimated(
                table, float(top_share(sums, count)), None if drawn is None else top_share(drawn.amounts, count)
            )
            for count in TOPS
            if count < len(sums)
        }
    found = {}
    for percent in TOPS:
        value = best_supplied(sums, table.people, percent / 100)
        pairs = zip(drawn.amounts, drawn.people, strict=True) if drawn and drawn.people is not None else ()
        redrawn = np.array([best_supplied(*pair, percent / 100) for pair in pairs])
        found[f"{percent} % of people"] = _estimated(table, value, redrawn)
    return found


def _with_none(table: _Table, view: str, sums: Floats) -> Estimate | None:
    """Gini with the other countries at 0: an upper end, as none known is not none."""
    if not view.endswith("country"):
        return None
    padded = np.concatenate([sums, np.zeros(max(0, len(economies()) - len(sums)))])
    told = f"; {len(padded)} countries, those without known compute at 0"
    return _plain(table, float(gini(padded)), "1", told)


def _table(view: str, rows: Sequence[KnownCompute]) -> _Table:
    scope = next((one for one in ("university", "supercomputer") if view.startswith(one)), "cluster")
    listed = [one for one in rows if one.scope == scope]
    if scope == "university":
        return _universities(view, listed)
    held = [one for one in listed if one.amount > 0]
    if view == "sector":
        known = [one for one in held if one.sector]
        table = _grouped(known, [one.sector for one in known], held)
        return replace(table, title="AI clusters by sector of their owners")
    known = [one for one in held if one.iso3 and (one.iso3 in economies() or view != "country-per-head")]
    codes = sorted(economies()) if view == "country-per-head" else ()
    table = _grouped(known, [one.iso3 for one in known], held, codes)
    table = replace(table, names=tuple(country(code).name for code in table.names))
    if view != "country-per-head":
        what = "accelerated supercomputers" if scope == "supercomputer" else "AI clusters"
        return replace(table, title=f"{what} by country")
    people = np.array([economies()[code].population for code in codes], dtype=np.float64)
    told = f"All {len(codes)} countries with a known population; those without known compute count as 0"
    return replace(
        table,
        title="AI clusters a head of all countries",
        people=people,
        cites=f"{table.cites}; population: {_cited(economies()[code] for code in codes[:1])}",
        coverage=(*table.coverage, told),
    )


def _universities(view: str, rows: Sequence[KnownCompute]) -> _Table:
    per_student = view.endswith("student")
    kept = [one for one in rows if one.people is not None]
    table = _grouped(kept, [one.name for one in kept], rows)
    if not per_student:
        return replace(table, title="GPUs of US universities")
    people = np.array([one.people for one in kept], dtype=np.float64)
    place = {one.name: number for number, one in enumerate(kept)}
    people = people[[place[name] for name in table.names]]
    return replace(table, title="GPUs of US universities a student of computer science", people=people)


def _grouped(
    rows: Sequence[KnownCompute],
    keys: Sequence[str],
    listed: Sequence[KnownCompute],
    names: Sequence[str] = (),
) -> _Table:
    """Rows by key; of the groups all names, or those that occur.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("no holder can be placed")
    names = tuple(names) or tuple(sorted(set(keys)))
    place = {name: number for number, name in enumerate(names)}
    return _Table(
        title="",
        names=names,
        amounts=np.array([one.amount for one in rows]),
        group=np.array([place[key] for key in keys], dtype=np.int64),
        people=None,
        unit=rows[0].unit,
        cites=_cited(rows),
        coverage=tuple(one.told for one in coverage() if one.scope == rows[0].scope and one.group in ("", EVERYTHING)),
        left_out=_left_out(listed, rows),
    )


def _left_out(listed: Sequence[KnownCompute], placed: Sequence[KnownCompute]) -> str:
    lost = len(listed) - len(placed)
    if not lost:
        return ""
    share = 1 - sum(one.amount for one in placed) / sum(one.amount for one in listed)
    told = "are left out, as their country, sector or people are not known"
    return f"{lost} of {len(listed)} holders, {100 * share:.1f} % of the amount, {told}"


def _cited(rows: Iterable[Fact]) -> str:
    return "; ".join(dict.fromkeys(f"{one.source}, {one.dated()}" for one in rows))
