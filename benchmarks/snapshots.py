"""Replays a recorded history of PyTorch's caching allocator through ours, and compares what both reserve.

Run: ``python benchmarks/snapshots.py FILE``, a file that ``measure_memory.py measure --snapshot FILE`` wrote on a
machine with a GPU, or any JSON with the ``device_traces`` of ``torch.cuda.memory._snapshot()``. Not yet recorded on
hardware.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpugap.predict.allocator import MIB, CachingAllocator

_SILENT = ("free_requested", "snapshot", "workspace_snapshot")
"""Events that change neither what is free nor what is reserved."""
_BEYOND = ("segment_free", "segment_map", "segment_unmap", "oom")
"""Events of a device that is too small or of expandable segments, which a replay does not follow."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Reserved memory after every allocation.

    Attributes:
        recorded_bytes: of segments that the driver gave.
        replayed_bytes: of segments that our allocator asked for.
        peak_allocated_bytes: of blocks in the replay.
        stopped: the event at which the comparison ended; empty where it reached the end.
    """

    recorded_bytes: tuple[int, ...]
    replayed_bytes: tuple[int, ...]
    peak_allocated_bytes: int
    stopped: str = ""

    @property
    def first_difference(self) -> int | None:
        """The first allocation after which they differ; None where they never do."""
        pairs = zip(self.recorded_bytes, self.replayed_bytes, strict=True)
        return next((place for place, (recorded, replayed) in enumerate(pairs) if recorded != replayed), None)


def replayed(trace: Sequence[Mapping[str, Any]]) -> Curves:
    """Replays one device's trace, each stream with pools of its own, as PyTorch has them.

    Args:
        trace: events with ``action``, ``addr``, ``size`` (as requested, of segments as given) and ``stream``.

    Raises:
        ValueError: the trace begins after the first allocation, or has an event that is not known.
    """
    allocators: dict[int, CachingAllocator] = {}
    held: dict[int, tuple[CachingAllocator, int]] = {}
    reserved, recorded, ours, peak, stopped = 0, [], [], 0, ""
    for event in trace:
        action = event["action"]
        if action == "segment_alloc":
            reserved += event["size"]
        elif action == "alloc":
            allocator = allocators.setdefault(event["stream"], CachingAllocator())
            held[event["addr"]] = allocator, allocator.allocate(event["size"])
            recorded.append(reserved)
            ours.append(sum(one.reserved_bytes for one in allocators.values()))
            peak = max(peak, sum(one.allocated_bytes for one in allocators.values()))
        elif action == "free_completed":
            _free(held, event["addr"])
        elif action in _BEYOND:
            stopped = action
            break
        elif action not in _SILENT:
            raise ValueError(f"unknown event {action!r}")
    return Curves(tuple(recorded), tuple(ours), peak, stopped)


def _free(held: dict[int, tuple[CachingAllocator, int]], address: int) -> None:
    if address not in held:
        raise ValueError(f"the block at {address:#x} was allocated before recording began: record from the start")
    allocator, name = held.pop(address)
    allocator.free(name)


def main(path: Path) -> None:
    """Prints how far the replay agrees with a recorded file, device by device."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for device, trace in enumerate(content["device_traces"]):
        if trace:
            print(f"device {device}: {told(replayed(trace))}")
    for kind in ("allocated", "reserved"):
        if size := content.get(f"{kind}_bytes"):
            print(f"torch's own peak {kind}: {size / MIB:.3f} MiB")


def told(found: Curves) -> str:
    """How far both agree, for people."""
    count, place = len(found.recorded_bytes), found.first_difference
    until = f", until {found.stopped}" if found.stopped else ""
    peaks = [max(curve, default=0) / MIB for curve in (found.recorded_bytes, found.replayed_bytes)]
    text = f"{count} allocations{until}; reserved at most {peaks[0]:.3f} MiB recorded, {peaks[1]:.3f} replayed, "
    text += f"allocated at most {found.peak_allocated_bytes / MIB:.3f} replayed; "
    if place is None:
        return text + "the curves are the same"
    pair = f"{found.recorded_bytes[place] / MIB:.3f} and {found.replayed_bytes[place] / MIB:.3f} MiB"
    return text + f"the curves differ from allocation {place} on: {pair}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
