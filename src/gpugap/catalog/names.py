"""Finds a row by what people call it: ``4090``, ``a100-40gb``, ``NVIDIA GeForce RTX 3090``."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from gpugap.core.errors import AmbiguousName, UnknownName

_FILLERS = frozenset(
    (
        *("nvidia", "geforce", "tesla", "amd", "radeon", "instinct", "intel", "google", "aws", "amazon", "huawei"),
        *("gpu", "graphics", "card", "accelerator", "chip", "generation", "edition", "workstation", "corporation"),
        *("r", "tm"),
    )
)
"""Words that tell no two devices apart."""

_FAMILIES = frozenset(("rtx", "gtx"))
"""Words people leave out: ``4090``."""

_MODELS = frozenset(("ti", "super"))
"""Words that make another device: an RTX 3080 Ti is no RTX 3080."""


class Named(Protocol):
    """A row with names."""

    @property
    def key(self) -> str:
        """Its own name, in small letters."""

    @property
    def names(self) -> tuple[str, ...]:
        """What else it is called."""


AnyNamed = TypeVar("AnyNamed", bound=Named)


@functools.lru_cache(maxsize=4096)
def words(text: str) -> tuple[str, ...]:
    """The telling words of a name: ``NVIDIA A100-SXM4-40GB`` -> ``("a100", "sxm4", "40gb")``."""
    joined = re.sub(r"(\d)\s*gi?b\b", r"\1gb", text.lower().replace("(r)", " ").replace("(tm)", " "))
    return tuple(word for word in re.findall(r"[a-z0-9.+]+", joined) if word not in _FILLERS)


def find(text: str, rows: Sequence[AnyNamed], what: str) -> AnyNamed:
    """The row of that name.

    Args:
        text: its key, its name or an alias in any spelling, or words that only its names have.
        rows: to choose from.
        what: kind of row, for the message.

    Raises:
        UnknownName: nothing is called so; says the nearest names.
        AmbiguousName: several rows are; says which.
    """
    found = candidates(text, rows)
    if not found:
        known = spellings(rows)
        near = difflib.get_close_matches(text.lower(), known, n=1, cutoff=0.4)
        raise UnknownName(what, text, known if near else {row.key for row in rows})
    if len(found) > 1:
        raise AmbiguousName(what, text, [row.key for row in found])
    return found[0]


def spellings(rows: Iterable[Named]) -> set[str]:
    """What people may type for one of the rows: keys, keys without family words, names."""
    return {name for row in rows for name in (row.key, _bare(words(row.key)), *map(str.lower, row.names))}


def candidates(text: str, rows: Iterable[AnyNamed]) -> list[AnyNamed]:
    """All rows a name can mean: those called exactly so, else those with all of its words."""
    wanted = words(text)
    if not wanted:
        return []
    named, exact, near = [], [], []
    for row in rows:
        joined, bare, parts = _spellings((row.key, *row.names))
        if _joined(wanted) in joined:
            named.append(row)
        elif _bare(wanted) in bare:
            exact.append(row)
        elif any(set(wanted) <= one and not _MODELS & one - set(wanted) for one in parts):
            near.append(row)
    return named or exact or near


@functools.lru_cache(maxsize=4096)
def _spellings(names: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str], tuple[frozenset[str], ...]]:
    """A row's names in one word, those without family words, and the words of each."""
    parts = [words(name) for name in names]
    return frozenset(map(_joined, parts)), frozenset(map(_bare, parts)), tuple(map(frozenset, parts))


def _joined(parts: Iterable[str]) -> str:
    return "".join(parts)


def _bare(parts: Iterable[str]) -> str:
    """Without family words, ``rtx3090`` in one word included."""
    return re.sub(r"^(rtx|gtx)(?=\d)", "", _joined(part for part in parts if part not in _FAMILIES))
