"""PyTorch's caching allocator for CUDA, replayed: what is allocated, what is reserved, what fragmentation costs.

Rules and constants from ``c10/cuda/CUDACachingAllocator.cpp`` and ``c10/core/AllocatorConfig.h`` (PyTorch 2.5 to 2.13,
default settings: no power-of-two rounding, no maximal split size, no expandable segments).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from itertools import count

from gpugap.core.errors import OutOfMemory

MIB = 1024**2
SMALLEST = 512
"""Every size is rounded up to a multiple of this (``kMinBlockSize``)."""
SMALL = MIB
"""Up to this size a block comes from the small pool (``kSmallSize``)."""
SMALL_SEGMENT = 2 * MIB
"""What the small pool asks the driver for (``kSmallBuffer``)."""
LARGE_SEGMENT = 20 * MIB
"""What the large pool asks for at least (``kLargeBuffer``) ..."""
LARGE = 10 * MIB
"""... for blocks smaller than this (``kMinLargeAlloc``); larger ones get a segment of their own, ..."""
ROUND_LARGE = 2 * MIB
"""... rounded up to a multiple of this (``kRoundLarge``)."""


def rounded(memory_bytes: int) -> int:
    """The size of the block for a request."""
    return max(SMALLEST, -(-memory_bytes // SMALLEST) * SMALLEST)


def segment_bytes(block_bytes: int) -> int:
    """What the driver is asked for when no cached block fits."""
    if block_bytes <= SMALL:
        return SMALL_SEGMENT
    if block_bytes < LARGE:
        return LARGE_SEGMENT
    return -(-block_bytes // ROUND_LARGE) * ROUND_LARGE


class _Block:
    """A stretch of a segment; `before` and `after` are its neighbors there."""

    __slots__ = ("address", "after", "before", "free", "memory_bytes", "small")

    def __init__(self, address: int, memory_bytes: int, small: bool) -> None:
        self.address, self.memory_bytes, self.small, self.free = address, memory_bytes, small, True
        self.before: _Block | None = None
        self.after: _Block | None = None


class CachingAllocator:
    """The allocator's state during a replay.

    Args:
        limit_bytes: what the driver can give; without bound where None, so that nothing is ever given back.

    Attributes:
        allocated_bytes: in blocks in use, as ``torch.cuda.memory_allocated`` counts them.
        reserved_bytes: in segments, as ``torch.cuda.memory_reserved`` counts them.
        most_reserved_bytes: the most so far, as ``torch.cuda.max_memory_reserved`` counts it.
        asked_bytes: of the driver so far, what was given back included.
    """

    def __init__(self, limit_bytes: float | None = None) -> None:
        self.allocated_bytes = self.reserved_bytes = self.most_reserved_bytes = 0
        self._limit_bytes = math.inf if limit_bytes is None else limit_bytes
        self._held: dict[int, _Block] = {}
        self._free: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        self._at: dict[int, _Block] = {}
        self._names, self.asked_bytes = count(), 0

    def allocate(self, memory_bytes: int) -> int:
        """Takes a block; returns the name under which it is freed. Nothing is taken for a request of 0 bytes.

        Raises:
            OutOfMemory: the driver has no more to give, even after every unused segment is given back to it.
        """
        name = next(self._names)
        if memory_bytes <= 0:
            return name
        wanted = rounded(memory_bytes)
        block = self._best_fit(wanted) or self._new_segment(wanted)
        self._split(block, wanted)
        block.free = False
        self._held[name] = block
        self.allocated_bytes += block.memory_bytes
        return name

    def free(self, name: int) -> None:
        """Gives a block back to its pool and merges it with free neighbors."""
        block = self._held.pop(name, None)
        if block is None:
            return
        self.allocated_bytes -= block.memory_bytes
        block.free = True
        for neighbor in (block.before, block.after):
            if neighbor is not None and neighbor.free:
                self._take(neighbor)
                self._merge(block, neighbor)
        self._put(block)

    def _best_fit(self, wanted: int) -> _Block | None:
        """The smallest free block of the pool that is large enough; of equal ones that of the lowest address."""
        pool = self._free[wanted <= SMALL]
        place = bisect_left(pool, (wanted, -1))
        if place == len(pool):
            return None
        block = self._at[pool[place][1]]
        self._take(block)
        return block

    def _new_segment(self, wanted: int) -> _Block:
        asked = segment_bytes(wanted)
        if self.reserved_bytes + asked > self._limit_bytes:
            self._give_back()
            if self.reserved_bytes + asked > self._limit_bytes:
                raise OutOfMemory(f"{asked} bytes beyond {self.reserved_bytes} of {self._limit_bytes:.0f}")
        self.reserved_bytes += asked
        self.most_reserved_bytes = max(self.most_reserved_bytes, self.reserved_bytes)
        block = _Block(self.asked_bytes, asked, wanted <= SMALL)
        self.asked_bytes += asked
        return block

    def _give_back(self) -> None:
        """Every segment of which nothing is in use (``release_cached_blocks``)."""
        whole = [block for block in self._at.values() if block.before is None and block.after is None]
        for block in whole:
            self._take(block)
            self.reserved_bytes -= block.memory_bytes

    def _split(self, block: _Block, wanted: int) -> None:
        """Cuts what is left over off a block where that is large enough to be of use (``should_split``)."""
        left = block.memory_bytes - wanted
        if left < SMALLEST if block.small else left <= SMALL:
            return
        rest = _Block(block.address + wanted, left, block.small)
        rest.before, rest.after = block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after, block.memory_bytes = rest, wanted
        self._put(rest)

    @staticmethod
    def _merge(block: _Block, neighbor: _Block) -> None:
        if neighbor is block.before:
            block.address, block.before = neighbor.address, neighbor.before
            if block.before is not None:
                block.before.after = block
        else:
            block.after = neighbor.after
            if block.after is not None:
                block.after.before = block
        block.memory_bytes += neighbor.memory_bytes

    def _put(self, block: _Block) -> None:
        insort(self._free[block.small], (block.memory_bytes, block.address))
        self._at[block.address] = block

    def _take(self, block: _Block) -> None:
        pool = self._free[block.small]
        del pool[bisect_left(pool, (block.memory_bytes, block.address))]
        del self._at[block.address]
