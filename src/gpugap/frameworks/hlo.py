"""What XLA made of a program, read from the text of its optimized HLO; JAX and TensorFlow both can show it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_IDLE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id"}
"""Instructions that launch nothing."""

_HEAD = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = .*? ([a-z][a-z0-9-]*)\(")
_CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.-]+)")
_LIBRARY = re.compile(r"__(?:ynn|xnn|onednn)_fusion")
"""What the fusions are called that XLA hands to a library for CPUs, whole networks among them."""


def counted(programs: Sequence[str]) -> dict[str, Any]:
    """What `gpugap.frameworks.protocol.Framework.kernels` tells of some programs.

    Args:
        programs: the optimized HLO of each.
    """
    total, fused = (sum(counts) for counts in zip(*map(launches, programs), strict=True))
    source = "optimized HLO"
    if any(map(_LIBRARY.search, programs)):
        source += " (what XLA hands to a CPU library at once counts as one, however many operations that computes)"
    return {"kernels": total, "fused": fused, "source": source}


def launches(text: str) -> tuple[int, int]:
    """Kernels, and those that are fused of two or more operations; the body of a loop counts once.

    Args:
        text: of one module.
    """
    computations, entry = _computations(text)

    def count(name: str) -> Iterator[bool]:
        for opcode, called in computations.get(name, ()):
            if opcode == "call":
                yield from count(called)
            elif opcode not in _IDLE:
                inner = [inside for inside, _ in computations.get(called, ()) if inside not in _IDLE]
                yield opcode == "fusion" and len(inner) > 1

    found = list(count(entry))
    return len(found), sum(found)


def _computations(text: str) -> tuple[Mapping[str, list[tuple[str, str]]], str]:
    """(opcode, called computation) of every instruction by computation, and the entry's name."""
    found: dict[str, list[tuple[str, str]]] = {}
    entry = current = ""
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = head[2]
            found[current] = []
            entry = current if head[1] else entry
        elif (instruction := _INSTRUCTION.match(line)) and current:
            called = _CALLED.search(line)
            found[current].append((instruction[1], called[1] if called else ""))
    return found, entry
