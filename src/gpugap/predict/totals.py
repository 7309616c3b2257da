"""The device total of a step in three cases: with room to spare, and on a GPU whose memory is short."""

from __future__ import annotations

from collections.abc import Mapping

from gpugap.core.attention import Capability
from gpugap.core.errors import OutOfMemory
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList
from gpugap.predict.replay import Replay, replay
from gpugap.predict.workspace import cases

MIB = 1024**2
CONTEXT: Mapping[str, int] = {"least": 200 * MIB, "likely": 400 * MIB, "most": 800 * MIB}
"""CUDA's context with the kernels that cuBLAS, cuDNN and PyTorch load: recalled from nvidia-smi beside
``torch.cuda.memory_reserved`` on Turing to Hopper with CUDA 11.8 to 12.8, lazily loaded; not yet measured here."""
METHOD = "liveness of a trace, caching allocator replayed; least, likely and most workspace; not yet run on hardware"


class Totals:
    """Low, likely and high end of the device total; each case is replayed when it is first asked for.

    With room to spare the caching allocator keeps all that it was ever given. Where that is beyond what a GPU has,
    PyTorch gives unused segments back and tries again before it fails, and cuDNN does with less workspace. So there the
    case is replayed once more within that memory: where it runs, it takes what it then holds.

    Args:
        oplist: traced for the GPU's attention kernels.
        capability: its compute capability.
        channels_last: whether convolutions run channels-last.
    """

    def __init__(self, oplist: OpList, capability: Capability, *, channels_last: bool = False) -> None:
        self._oplist = oplist
        self._cases = {case.name: case for case in cases(capability, channels_last=channels_last)}
        self._known: dict[tuple[str, Estimate | None], Replay] = {}

    def replayed(self, name: str, usable: Estimate | None = None) -> Replay:
        """One case, ``least``, ``likely`` or ``most``.

        Args:
            name: of the case.
            usable: memory of the GPU, which makes a difference where it is short; None for room to spare.
        """
        key = name, usable
        if key not in self._known:
            self._known[key] = self._run(name) if usable is None else self._on(name, usable)
        return self._known[key]

    def untraced_bytes(self, name: str) -> int:
        """What a case adds for kernels whose temporaries are not modeled."""
        return int(self._cases[name].untraced_share * self.replayed(name).allocated_bytes)

    def low(self) -> int:
        """What certainly must be there: tensors, one workspace, the smallest context; no fragmentation."""
        return self.replayed("least").allocated_bytes + CONTEXT["least"]

    def value(self, usable: Estimate | None = None) -> int:
        """The likely case."""
        return self._total("likely", self.replayed("likely", usable))

    def high(self, usable: Estimate | None = None) -> int:
        """The larger of the likely case and the one with the most workspace, which may leave less fragmentation."""
        return max(self.value(usable), self._total("most", self.replayed("most", usable)))

    def device(self, usable: Estimate | None = None) -> Estimate:
        """All ends as one estimate.

        Args:
            usable: memory of the GPU; None for room to spare.
        """
        return predicted(self.low(), self.value(usable), self.high(usable))

    def tight_bytes(self, name: str) -> float:
        """About the least that the allocator must be given, within 1 %, for a case to run; without the context.

        Args:
            name: of the case.
        """
        low, high = 0.0, float(self.replayed(name).reserved_bytes)
        while high - low > 0.01 * high:
            middle = (low + high) / 2
            try:
                self._run(name, middle)
                high = middle
            except OutOfMemory:
                low = middle
        return high + self.untraced_bytes(name)

    def _total(self, name: str, found: Replay) -> int:
        return found.reserved_bytes + self._beside(name)

    def _beside(self, name: str) -> int:
        return self.untraced_bytes(name) + CONTEXT[name]

    def _run(self, name: str, limit_bytes: float | None = None) -> Replay:
        return replay(self._oplist, self._cases[name], limit_bytes)

    def _on(self, name: str, usable: Estimate) -> Replay:
        """Within the least of what may be usable in which the case runs; where it runs in none, with room to spare."""
        spare = self.replayed(name)
        least, most = usable.ends
        if self._total(name, spare) <= least:
            return spare
        for bound in sorted({least, usable.value or least, most}):
            try:
                return self._run(name, bound - self._beside(name))
            except OutOfMemory:
                continue
        return spare


def predicted(low: int, value: int, high: int) -> Estimate:
    """Bytes by the model; an end that the value is beyond is the value."""
    low, high = min(low, value), max(high, value)
    return Estimate(float(value), float(low), float(high), None, "B", "predicted", METHOD, None)
