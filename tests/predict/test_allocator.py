"""The caching allocator's rules, against cases worked out by hand from CUDACachingAllocator.cpp."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.errors import OutOfMemory
from gpugap.predict.allocator import MIB, CachingAllocator, rounded, segment_bytes


@pytest.mark.parametrize(("asked", "block"), [(1, 512), (512, 512), (513, 1024), (MIB, MIB), (MIB + 1, MIB + 512)])
def test_sizes_are_rounded_to_512_bytes(asked: int, block: int):
    assert rounded(asked) == block


@pytest.mark.parametrize(
    ("block", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (10 * MIB + 512, 12 * MIB),
        (33 * MIB, 34 * MIB),
    ],
)
def test_segments(block: int, segment: int):
    assert segment_bytes(block) == segment


def test_nothing_is_taken_for_nothing():
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(0))
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (0, 0)


def test_small_blocks_share_a_segment():
    allocator = CachingAllocator()
    for _ in range(4):
        allocator.allocate(512 * 1024)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (2 * MIB, 2 * MIB)
    allocator.allocate(1)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (2 * MIB + 512, 4 * MIB)


def test_pools_are_apart():
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(5 * MIB))  # a free block of 20 MiB in the large pool
    allocator.allocate(MIB)
    assert allocator.reserved_bytes == 22 * MIB


def test_a_large_rest_of_up_to_one_mebibyte_stays_with_its_block():
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(12 * MIB))
    allocator.allocate(11 * MIB)  # 1 MiB is left, which is not more than 1 MiB
    assert allocator.allocated_bytes == 12 * MIB
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(12 * MIB))
    allocator.allocate(11 * MIB - 512)
    assert allocator.allocated_bytes == 11 * MIB - 512


def test_the_smallest_block_that_is_large_enough_is_taken():
    allocator = CachingAllocator()
    names = [allocator.allocate(size * MIB) for size in (40, 14, 24)]
    for name in names:
        allocator.free(name)
    allocator.allocate(13 * MIB)  # takes the 14, whose rest is too small to cut off
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (14 * MIB, 78 * MIB)


def test_free_neighbors_are_merged():
    allocator = CachingAllocator()
    whole = allocator.allocate(20 * MIB)
    allocator.free(whole)
    parts = [allocator.allocate(5 * MIB) for _ in range(4)]
    for place in (0, 2, 1, 3):
        allocator.free(parts[place])
    allocator.allocate(20 * MIB)
    assert allocator.reserved_bytes == 20 * MIB


def test_fragmentation_costs_a_segment():
    allocator = CachingAllocator()
    parts = [allocator.allocate(5 * MIB) for _ in range(4)]
    allocator.free(parts[0])
    allocator.free(parts[2])  # 10 MiB are free, in two pieces
    allocator.allocate(10 * MIB)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (20 * MIB, 30 * MIB)


def test_a_segment_stays_when_it_is_free_and_is_used_again():
    allocator = CachingAllocator()
    for _ in range(5):
        allocator.free(allocator.allocate(100 * MIB))
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (0, 100 * MIB)


def test_where_memory_is_short_whole_segments_are_given_back():
    allocator = CachingAllocator(limit_bytes=40 * MIB)
    allocator.free(allocator.allocate(20 * MIB))
    allocator.allocate(30 * MIB)  # 20 and 30 are more than 40
    assert (allocator.allocated_bytes, allocator.reserved_bytes, allocator.most_reserved_bytes) == (30 * MIB,) * 3


def test_a_segment_in_use_is_not_given_back():
    allocator = CachingAllocator(limit_bytes=40 * MIB)
    kept, left = allocator.allocate(5 * MIB), allocator.allocate(5 * MIB)  # of one segment of 20
    small = allocator.allocate(1)
    allocator.free(left)
    allocator.free(small)
    with pytest.raises(OutOfMemory):
        allocator.allocate(21 * MIB)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (
        5 * MIB,
        20 * MIB,
    )  # the small pool's is given back
    allocator.allocate(20 * MIB)
    allocator.free(kept)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (20 * MIB, 40 * MIB)
    assert allocator.most_reserved_bytes == 40 * MIB


def test_a_training_step_by_hand():
    """Linear(4096, 4096) with SGD on a batch of 4096, forward and backward, by hand from torch's own rules."""
    allocator, square, most = CachingAllocator(), 4096 * 4096 * 4, 0
    weight, bias, inputs = (allocator.allocate(size) for size in (square, 4096 * 4, square))
    for _ in range(2):
        output = allocator.allocate(square)
        loss = allocator.allocate(4)
        of_output = allocator.allocate(square)
        allocator.free(output)
        of_weight, of_bias = allocator.allocate(square), allocator.allocate(4096 * 4)
        most = max(most, allocator.allocated_bytes)
        for name in (of_output, loss, of_weight, of_bias):
            allocator.free(name)
    assert allocator.reserved_bytes == 4 * square + 2 * MIB
    assert most == 4 * square + 2 * 4096 * 4 + 512
    for name in (weight, bias, inputs):
        allocator.free(name)
    assert allocator.allocated_bytes == 0


@given(st.lists(st.tuples(st.integers(1, 40 * MIB), st.integers(0, 9)), max_size=60))
def test_any_sequence_keeps_its_books(requests):
    """What is freed is there again: allocated is the sum of live blocks, at least what was asked, within reserved."""
    allocator, live = CachingAllocator(), []
    for size, drop in requests:
        live.append((allocator.allocate(size), size))
        if drop < 5 and live:
            allocator.free(live.pop(drop % len(live))[0])
        asked = sum(rounded(one) for _, one in live)
        assert asked <= allocator.allocated_bytes <= asked + len(live) * MIB
        assert allocator.allocated_bytes <= allocator.reserved_bytes
    for name, _ in live:
        allocator.free(name)
    assert allocator.allocated_bytes == 0
    held = allocator.reserved_bytes
    for size in sorted((size for _, size in live), reverse=True)[:1]:
        allocator.allocate(size)
    assert allocator.reserved_bytes == held  # every segment is whole again


@given(st.lists(st.tuples(st.integers(1, 40 * MIB), st.integers(0, 9)), max_size=60), st.integers(20, 200))
def test_a_limit_holds_and_costs_nothing_where_there_is_room(requests, limit_mib: int):
    """Never more than the limit is reserved; where all would be within it anyway, the limit changes nothing."""
    short, spare, names, ran = CachingAllocator(limit_mib * MIB), CachingAllocator(), [], True
    for size, drop in requests:
        other = spare.allocate(size)
        try:
            names.append((short.allocate(size), other))
        except OutOfMemory:
            ran = False
            break
        if drop < 5:
            one, other = names.pop(drop % len(names))
            short.free(one)
            spare.free(other)
        assert short.allocated_bytes <= short.reserved_bytes <= short.most_reserved_bytes <= limit_mib * MIB
    if spare.reserved_bytes <= limit_mib * MIB:
        assert ran
        assert (short.reserved_bytes, short.allocated_bytes) == (spare.reserved_bytes, spare.allocated_bytes)
