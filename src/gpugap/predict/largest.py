"""The largest batch that fits a GPU: safely, likely and at best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList, Traced
from gpugap.predict.memory import Target
from gpugap.predict.totals import CONTEXT, Totals

MOST_BATCH = 2**20
"""No larger batch is tried, except up to the one asked for."""
_TRIED = 64
"""Batches that are tried below the largest that could fit, evenly apart: memory differs by 1/64 of it between them."""
_HOW = "largest batch up to which the likely device total is within usable memory; low: its high end; high: its low end"
_SEEN = f"{_TRIED} batches below were tried, or all where there are fewer"
_OWN = "the batch asked for fits, though not all below it"
_AT_LEAST = "at least: no larger batch was tried; "
_Fits = Callable[[int], bool]


def largest_batch(traced: Traced, target: Target, *, channels_last: bool = False) -> Estimate:
    """The largest batch that fits: value by the likely total, low (safe) by the high end, high by the low end.

    Args:
        traced: at two batch sizes.
        target: the GPU.
        channels_last: whether convolutions run channels-last.
    """
    if traced.second is None or traced.faster:
        return _unknown(traced.why)
    most = max(MOST_BATCH, traced.first.batch)
    if not traced.why:
        found, how = _tried(traced, target, most, channels_last=channels_last), f"{_HOW}; {_SEEN}"
        own = traced.first.batch
        if own > found[0] and _safe(traced.first, target, channels_last=channels_last):
            return _told((own, *(max(own, end) for end in found[1:])), most, f"{how}; {_OWN}")
        return _told(found, most, how)
    drawn = _drawn(traced, target, most, channels_last=channels_last)
    if drawn is None:
        return _unknown(traced.why)
    return _told(drawn, most, f"on a straight line through two batches, as {traced.why}; {_HOW}")


def is_open(largest: Estimate) -> bool:
    """Whether the largest batch may be larger than told."""
    return largest.method.startswith(_AT_LEAST)


def _safe(oplist: OpList, target: Target, *, channels_last: bool) -> bool:
    high = Totals(oplist, target.capability, channels_last=channels_last).high(target.usable)
    return high <= target.usable.ends[0]


def _told(found: Sequence[int], most: int, how: str) -> Estimate:
    low, value, high = map(float, found)
    how = _AT_LEAST + how if value >= most else how
    return Estimate(value, low, high, None, "1", "predicted", how, None)


def _unknown(why: str) -> Estimate:
    return Estimate(None, None, None, None, "1", "predicted", f"unknown: {why}", None)


def _tried(traced: Traced, target: Target, most: int, *, channels_last: bool) -> tuple[int, int, int]:
    """Safe, likely and at best.

    Totals do not always grow with the batch, as what is left over between blocks differs. So the last batch before the
    first that does not fit counts, not the last that fits. Live tensors alone do grow.
    """
    usable = target.usable
    least, at_best = usable.ends

    @lru_cache(maxsize=4)
    def totals(batch: int) -> Totals:
        return Totals(traced.at(batch), target.capability, channels_last=channels_last)

    top = _doubled(lambda batch: totals(batch).low() <= at_best, most)
    grid = {1, *(math.ceil(top * part / _TRIED) for part in range(1, _TRIED + 1)), traced.first.batch}
    batches = sorted(batch for batch in grid if 0 < batch <= top)
    safe = _before_the_first(lambda batch: totals(batch).high(usable) <= least, batches)
    rest = [batch for batch in batches if batch > safe]
    likely = _before_the_first(lambda batch: totals(batch).value(usable) <= (usable.value or least), rest, safe)
    return safe, likely, top


def _doubled(fits: _Fits, most: int) -> int:
    """The largest batch that fits, where totals grow with the batch; 0 where none does."""
    good, batch = 0, 1
    while fits(batch):
        if batch == most:
            return most
        good, batch = batch, min(most, 2 * batch)
    return _between(fits, good, batch)


def _before_the_first(fits: _Fits, batches: Sequence[int], good: int = 0) -> int:
    """The last batch before the first of some that does not fit; `good` is the one before them."""
    for batch in batches:
        if not fits(batch):
            return _between(fits, good, batch)
        good = batch
    return good


def _between(fits: _Fits, good: int, bad: int) -> int:
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


def _drawn(traced: Traced, target: Target, most: int, *, channels_last: bool) -> tuple[int, int, int] | None:
    """The same by the line through both traces' live bytes; None where these do not grow like one.

    What must be held beyond them is the larger of both, and above the batches that were traced in proportion. What the
    trace at the batch asked for says of that batch holds all the same.
    """
    assert traced.second is not None
    batch, usable = traced.first.batch, target.usable
    both = [Totals(one, target.capability, channels_last=channels_last) for one in (traced.first, traced.second)]
    here = both[0]
    live = [one.replayed("least").allocated_bytes for one in both]
    sample_bytes = (live[1] - live[0]) / (traced.second.batch - batch)
    if sample_bytes <= 0 or here.low() < sample_bytes * batch:
        return None
    least, at_best = usable.ends
    ends: tuple[tuple[str, float, float, tuple[str, ...]], ...] = (
        ("least", at_best, here.low(), ()),
        ("likely", usable.value or least, here.value(usable), ("likely",)),
        ("most", least, here.high(usable), ("likely", "most")),
    )
    found = [most]
    for name, bound, total, held in ends:
        room = bound - CONTEXT[name]
        tight = [one.tight_bytes(case) - size for one, size in zip(both, live, strict=True) for case in held]
        beyond = max([0, *tight])
        may_live = min(room - beyond, room * max(live) / (max(live) + beyond))
        on_line = batch + math.floor((may_live - live[0]) / sample_bytes)
        found.append(min(found[-1], max(0, on_line, batch if total <= bound else 0)))
    return found[3], found[2], found[1]
