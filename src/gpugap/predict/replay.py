"""A step's allocations replayed, twice in a row as in training: first steps leave behind what second ones find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from gpugap.core.errors import OutOfMemory
from gpugap.core.oplist import ROLES, START, OpList, Role
from gpugap.predict.allocator import CachingAllocator, rounded
from gpugap.predict.workspace import Case, refusable

_MOST_STEPS = 6
"""Tried for a step to settle: of 2160 limits on VGG-16, none within which it ran so long failed within 20 steps."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay has come to, in the second step where not told otherwise.

    Attributes:
        allocated_bytes: the most in use at any moment.
        reserved_bytes: the most held from the driver, of both steps.
        peak: position of the operator during which the most is in use.
        roles_bytes: what is in use then, by role.
        workspace_bytes: of it, what kernels take for themselves.
        timeline_bytes: the most in use during each operator.
    """

    allocated_bytes: int
    reserved_bytes: int
    peak: int
    roles_bytes: Mapping[Role, int]
    workspace_bytes: int
    timeline_bytes: tuple[int, ...]


def replay(oplist: OpList, case: Case, limit_bytes: float | None = None) -> Replay:
    """Runs a step's allocations through the caching allocator.

    Args:
        oplist: of the second step of a run.
        case: what kernels take beside what is traced.
        limit_bytes: what the allocator can get, beyond which it gives unused segments back first; None for no bound.

    Raises:
        OutOfMemory: the step does not run within the limit.
    """
    run = _Run(oplist, case, limit_bytes)
    run.begin()
    run.step(first=True)
    timeline = run.step(first=False)
    if limit_bytes is not None:
        timeline = run.settle()
    peak = max(range(len(timeline)), key=timeline.__getitem__) if timeline else 0
    workspace = run.handles_bytes + (run.taken_bytes[peak] if oplist.ops else 0)
    most = max(timeline, default=run.allocator.allocated_bytes)
    reserved = run.allocator.most_reserved_bytes
    return Replay(most, reserved, peak, _alive(oplist, case, peak), workspace, tuple(timeline))


def _alive(oplist: OpList, case: Case, peak: int) -> dict[Role, int]:
    """Bytes in blocks by role while one operator runs."""
    found: dict[Role, int] = dict.fromkeys(ROLES, 0)
    for storage in oplist.storages:
        end = case.end(storage, len(oplist.ops))
        if storage.memory_bytes and storage.born <= peak and (end is None or end > peak):
            found[storage.role] += rounded(storage.memory_bytes)
    return found


class _Run:
    """The state between steps."""

    def __init__(self, oplist: OpList, case: Case, limit_bytes: float | None) -> None:
        self.allocator = CachingAllocator(limit_bytes)
        self.handles_bytes = 0
        self.taken_bytes = [0] * len(oplist.ops)
        self._workspaces = [case.op_bytes(op) for op in oplist.ops]
        self._oplist, self._handles = oplist, list(case.handle_bytes(oplist.mode))
        self._blocks: dict[int, int] = {}
        self._kept: dict[str, list[int]] = {}
        self._last: list[int] = []
        self._deaths: dict[int, list[int]] = defaultdict(list)
        for index, storage in enumerate(oplist.storages):
            end = case.end(storage, len(oplist.ops))
            if end is not None:
                self._deaths[end].append(index)
        phases = [op.phase for op in oplist.ops]
        self._update = phases.index("optimizer") if "optimizer" in phases else len(phases)

    def begin(self) -> None:
        """What is there before the first step."""
        self._hold({"parameter", "input", "temporary", "activation"})

    def settle(self) -> list[int]:
        """Steps until one asks the driver for nothing: what one step gives back and splits, the next may miss."""
        for _ in range(_MOST_STEPS):
            before = self.allocator.asked_bytes
            timeline = self.step(first=False)
            if self.allocator.asked_bytes == before:
                break
        return timeline

    def _hold(self, roles: set[str]) -> None:
        for index, storage in enumerate(self._oplist.storages):
            if storage.born == START and storage.role in roles:
                self._blocks[index] = self.allocator.allocate(storage.memory_bytes)

    def step(self, *, first: bool) -> list[int]:
        """Runs every operator; the most in use during each."""
        if not first:
            self._find_gradients()
        timeline, storages, allocator = [], self._oplist.storages, self.allocator
        for place, op in enumerate(self._oplist.ops):
            self._free(place)
            if first and place == self._update:
                self._hold({"optimizer"})
            for index in op.outputs:
                self._blocks[index] = allocator.allocate(storages[index].memory_bytes)
            self._first_use(op.kind, op.phase)
            workspace = self._workspace(place)
            timeline.append(allocator.allocated_bytes)
            if workspace is not None:
                allocator.free(workspace)
        self._free(len(self._oplist.ops))
        self._end()
        return timeline

    def _free(self, place: int) -> None:
        for index in self._deaths.get(place, ()):
            block = self._blocks.pop(index, None)
            if block is not None:
                self.allocator.free(block)

    def _workspace(self, place: int) -> int | None:
        """What the operator takes for itself, after its outputs as in PyTorch; None where it takes nothing."""
        wanted, self.taken_bytes[place] = self._workspaces[place], 0
        if not wanted:
            return None
        try:
            name = self.allocator.allocate(wanted)
        except OutOfMemory:
            if not refusable(self._oplist.ops[place]):
                raise
            return None
        self.taken_bytes[place] = rounded(wanted)
        return name

    def _first_use(self, kind: str, phase: str) -> None:
        """Takes cuBLAS's workspace at the first product of each thread; it is kept."""
        side = 1 if phase == "backward" else 0
        if kind == "gemm" and self._handles[side]:
            self.allocator.allocate(self._handles[side])
            self.handles_bytes += rounded(self._handles[side])
            self._handles[side] = 0

    def _end(self) -> None:
        """Gradients wait for the next step, by their parameter's name; what else is left stays for one step more."""
        for block in self._last:
            self.allocator.free(block)
        self._kept, self._last = defaultdict(list), []
        for index, storage in enumerate(self._oplist.storages):
            if storage.born == START or index not in self._blocks:
                continue
            block = self._blocks.pop(index)
            (self._kept[storage.owner] if storage.role == "gradient" else self._last).append(block)

    def _find_gradients(self) -> None:
        """The gradients a step finds are those that the one before has left."""
        for index, storage in enumerate(self._oplist.storages):
            if storage.born == START and storage.role == "gradient":
                left = self._kept.get(storage.owner)
                self._blocks[index] = left.pop(0) if left else self.allocator.allocate(storage.memory_bytes)
        for blocks in self._kept.values():
            self._last += blocks
