"""A history of torch's allocator against ours; histories made by hand in torch's format, none recorded on hardware."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MIB = 2**20
SMALL, LARGE, OTHER, SECOND = 0x7000_0000, 0x7100_0000, 0x7900_0000, 0x7A00_0000


@pytest.fixture
def snapshots(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import snapshots

    return snapshots


def event(action: str, addr: int, size: int, stream: int = 0) -> dict:
    return {"action": action, "addr": addr, "size": size, "stream": stream, "time_us": 0, "frames": []}


def freed(addr: int, size: int) -> list[dict]:
    return [event("free_requested", addr, size), event("free_completed", addr, size)]


def history() -> list[dict]:
    """Two streams; what torch records of each request, by its rules: sizes as requested, segments as given."""
    cut = 28 * MIB + 512  # the block for a request of 28 MiB and a byte
    return [
        event("segment_alloc", SMALL, 2 * MIB),
        event("alloc", SMALL, 4000),
        event("segment_alloc", LARGE, 30 * MIB),
        event("alloc", LARGE, 30 * MIB),
        *freed(LARGE, 30 * MIB),
        event("alloc", LARGE, 28 * MIB + 1),  # the free segment, cut
        event("alloc", LARGE + cut, 3 * MIB // 2),  # what was cut off
        *freed(LARGE + cut, 3 * MIB // 2),
        event("segment_alloc", OTHER, 20 * MIB, stream=7),
        event("alloc", OTHER, 3 * MIB // 2, stream=7),  # another stream has pools of its own
        event("snapshot", 0, 0),
    ]


def test_the_same_rules_give_the_same_curve(snapshots):
    found = snapshots.replayed(history())
    assert found.recorded_bytes == tuple(size * MIB for size in (2, 32, 32, 32, 52))
    assert found.replayed_bytes == found.recorded_bytes
    assert found.first_difference is None
    # 512-byte blocks of 4000 bytes; the whole of what was cut off, as its rest is too small to cut again
    assert found.peak_allocated_bytes == 4096 + 30 * MIB
    assert "the curves are the same" in snapshots.told(found)


def test_a_block_is_free_only_when_its_stream_is_done_with_it(snapshots):
    begin = [event("segment_alloc", LARGE, 30 * MIB), event("alloc", LARGE, 30 * MIB)]
    second = [event("segment_alloc", SECOND, 30 * MIB), event("alloc", SECOND, 30 * MIB)]
    requested, completed = freed(LARGE, 30 * MIB)
    found = snapshots.replayed([*begin, requested, *second, completed])
    assert found.replayed_bytes == found.recorded_bytes == (30 * MIB, 60 * MIB)


def test_other_rules_are_seen(snapshots):
    changed = [{**one, "size": 32 * MIB} if one["size"] == 30 * MIB else one for one in history()[:4]]
    changed[3]["size"] = 30 * MIB
    found = snapshots.replayed(changed)
    assert found.first_difference == 1
    assert "the curves differ from allocation 1 on: 34.000 and 32.000 MiB" in snapshots.told(found)


@pytest.mark.parametrize("action", ["segment_free", "oom", "segment_map"])
def test_what_a_replay_does_not_follow_ends_it(snapshots, action: str):
    found = snapshots.replayed([*history()[:2], event(action, LARGE, 30 * MIB), *history()[2:]])
    assert (found.recorded_bytes, found.stopped) == ((2 * MIB,), action)
    assert f"until {action}" in snapshots.told(found)


def test_a_history_without_its_beginning_is_refused(snapshots):
    with pytest.raises(ValueError, match="0x71000000 was allocated before recording began"):
        snapshots.replayed(history()[5:])
    with pytest.raises(ValueError, match="unknown event 'moved'"):
        snapshots.replayed([event("moved", 0, 1)])


def test_a_file_is_told(snapshots, tmp_path, capsys):
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps({"device_traces": [history(), []], "reserved_bytes": 52 * MIB, "allocated_bytes": None}))
    snapshots.main(path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("device 0: 5 allocations; reserved at most 52.000 MiB recorded, 52.000 replayed")
    assert lines[1:] == ["torch's own peak reserved: 52.000 MiB"]
