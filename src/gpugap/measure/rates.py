"""How fast this CPU multiplies, moves and starts operators at best: roughly what a step on it can take at best."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

_SIDE = 512
"""Of the matrices multiplied: large enough for full speed, and done between two interruptions."""
_LARGE_BYTES, _SMALL_BYTES = 2**26, 2**18
"""Moved: far beyond the caches of a core, and within them."""
_LEAST_S = 0.15
"""Each rate is looked for at least so long; the best of what was seen counts."""
_STARTS = 200


@dataclass(frozen=True, slots=True)
class HostRates:
    """The best rates of a CPU in PyTorch with all its threads, measured.

    Attributes:
        flop_per_s: of a product of large fp32 matrices.
        byte_per_s: read and written, beyond the caches.
        cached_byte_per_s: likewise within them.
        dispatch_s: to start one operator on almost no data.
        threads: used.
    """

    flop_per_s: float
    byte_per_s: float
    cached_byte_per_s: float
    dispatch_s: float
    threads: int

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)

    @property
    def source(self) -> str:
        """What stands behind the numbers, for people."""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"measured on this CPU, {threads}: a matrix product, copies, empty operators"


def host_rates() -> HostRates:
    """Measures them, in under a second.

    Raises:
        MissingExtra: PyTorch is not installed.
    """
    from gpugap.frameworks import check_name

    check_name("torch")
    import torch

    with torch.no_grad():
        left, right = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
        product = torch.empty(_SIDE, _SIDE)
        multiply_s = _best_s(lambda: torch.mm(left, right, out=product))
        tiny = torch.zeros(1)
        starts_s = _best_s(lambda: [tiny.add_(1.0) for _ in range(_STARTS)])
        return HostRates(
            flop_per_s=2 * _SIDE**3 / multiply_s,
            byte_per_s=2 * _LARGE_BYTES / _copy_s(torch, _LARGE_BYTES),
            cached_byte_per_s=2 * _SMALL_BYTES / _copy_s(torch, _SMALL_BYTES),
            dispatch_s=starts_s / _STARTS,
            threads=torch.get_num_threads(),
        )


def _copy_s(torch: Any, size_bytes: int) -> float:
    source = torch.ones(size_bytes // 4)
    target = torch.empty_like(source)
    return _best_s(lambda: target.copy_(source))


def _best_s(body: Callable[[], Any]) -> float:
    """The shortest of several runs, after one that is not counted."""
    body()
    best, end = float("inf"), time.perf_counter() + _LEAST_S
    while True:
        begin = time.perf_counter()
        body()
        now = time.perf_counter()
        best = min(best, now - begin)
        if now > end:
            return best
