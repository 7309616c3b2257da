"""The memory a step takes on a GPU: allocated and reserved as torch has them, and the device total of nvidia-smi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpugap.core.attention import Capability
from gpugap.core.errors import Unsupported
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList, Role
from gpugap.predict.replay import Replay, replay
from gpugap.predict.workspace import assumptions, cases

GIB, MIB = 1024**3, 1024**2
CONTEXT = (200 * MIB, 400 * MIB, 800 * MIB)
"""CUDA's context with the kernels that cuBLAS, cuDNN and PyTorch load: recalled from nvidia-smi beside
``torch.cuda.memory_reserved`` on Turing to Hopper with CUDA 11.8 to 12.8, lazily loaded; not yet measured here."""
METHOD = "liveness of a trace, caching allocator replayed; least, likely and most workspace; not yet run on hardware"
_NAMES: Mapping[Role, str] = {
    "parameter": "parameters",
    "gradient": "gradients",
    "optimizer": "optimizer_state",
    "input": "inputs",
    "activation": "activations",
    "temporary": "temporary",
}
COMPONENTS = (*_NAMES.values(), "workspace", "fragmentation", "context")


@dataclass(frozen=True, slots=True)
class Target:
    """What memory depends on in a GPU.

    Attributes:
        key: name on the command line.
        name: vendor's name.
        usable: what a framework can take at most.
        capability: NVIDIA's compute capability.
    """

    key: str
    name: str
    usable: Estimate
    capability: Capability


@dataclass(frozen=True, slots=True)
class Peak:
    """The moment at which the most is in use.

    Attributes:
        phase: forward, backward or optimizer.
        op: the operator's name.
        module: dotted path.
        source: the user's line.
    """

    phase: str
    op: str
    module: str
    source: str

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return {"phase": self.phase, "op": self.op, "module": self.module, "source": self.source}


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one step on one GPU, all totals at their peak in the second step.

    Attributes:
        allocated: in tensors and workspaces, as ``torch.cuda.max_memory_allocated``.
        reserved: held by the caching allocator, as ``torch.cuda.max_memory_reserved``.
        device: reserved and context, as ``nvidia-smi`` shows a process.
        components_bytes: what the likely device total consists of, by name as in `COMPONENTS`.
        peak: when.
        timeline_bytes: the most allocated during each operator, likely case.
        phases: position of the first operator of each stretch of a phase, and its name.
        assumed: about the GPU's software, by topic.
    """

    allocated: Estimate
    reserved: Estimate
    device: Estimate
    components_bytes: Mapping[str, int]
    peak: Peak | None
    timeline_bytes: tuple[int, ...]
    phases: tuple[tuple[int, str], ...]
    assumed: Mapping[str, str]

    def components(self) -> dict[str, Any]:
        """Every component as an estimate without an interval."""
        said = "share of the likely device total"
        return {
            name: Estimate(float(size), None, None, None, "B", "predicted", said, None).to_dict()
            for name, size in self.components_bytes.items()
        }


def memory(oplist: OpList, capability: Capability, *, channels_last: bool = False) -> Memory:
    """The memory of a step.

    The low ends are what certainly must be there: tensors, one workspace, the smallest context, no fragmentation. The
    high ends are the replay with the most workspace, all that it reserves, and the largest context.

    Args:
        oplist: traced for the GPU's attention kernels.
        capability: its compute capability.
        channels_last: whether convolutions run channels-last.
    """
    known = cases(capability, channels_last=channels_last)
    least, likely, most = (replay(oplist, case) for case in known)
    untraced = int(known[2].untraced_share * most.allocated_bytes)
    allocated = _estimate(least.allocated_bytes, likely.allocated_bytes, most.allocated_bytes + untraced)
    reserved = _estimate(least.allocated_bytes, likely.reserved_bytes, most.reserved_bytes + untraced)
    ends = (least.allocated_bytes, likely.reserved_bytes, most.reserved_bytes + untraced)
    device = _estimate(*(end + context for end, context in zip(ends, CONTEXT, strict=True)))
    context = " to ".join(f"{size // MIB}" for size in (CONTEXT[0], CONTEXT[2]))
    context = f"{context} MiB, likely {CONTEXT[1] // MIB} (recalled, not measured)"
    return Memory(
        allocated,
        reserved,
        device,
        _components(likely),
        _peak(oplist, likely.peak),
        likely.timeline_bytes,
        tuple(_phases(oplist)),
        assumptions(oplist, capability) | {"context": context},
    )


def device_total(oplist: OpList, capability: Capability, name: str, *, channels_last: bool = False) -> int:
    """One end of the device total without the rest.

    Args:
        oplist: traced for the GPU's attention kernels.
        capability: its compute capability.
        name: ``least``, ``likely`` or ``most``.
        channels_last: whether convolutions run channels-last.
    """
    place = ("least", "likely", "most").index(name)
    case = cases(capability, channels_last=channels_last)[place]
    found = replay(oplist, case)
    held = found.allocated_bytes if name == "least" else found.reserved_bytes
    return held + int(case.untraced_share * found.allocated_bytes) + CONTEXT[place]


def capability_of(text: str, name: str) -> Capability:
    """The compute capability in the catalog's words: ``8.6`` -> (8, 6).

    Raises:
        Unsupported: the GPU has none, so that its kernels and its allocator are not PyTorch's for CUDA.
    """
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise Unsupported(f"memory on {name} is not modeled: it has no CUDA compute capability", "name an NVIDIA GPU")
    return int(major), int(minor)


def _estimate(low: int, value: int, high: int) -> Estimate:
    low, high = min(low, value), max(high, value)
    return Estimate(float(value), float(low), float(high), None, "B", "predicted", METHOD, None)


def _components(found: Replay) -> dict[str, int]:
    sizes = {_NAMES[role]: size for role, size in found.roles_bytes.items()}
    sizes["workspace"] = found.workspace_bytes
    sizes["temporary"] += max(0, found.allocated_bytes - sum(sizes.values()))  # rests of blocks that were not cut off
    sizes["fragmentation"] = found.reserved_bytes - found.allocated_bytes
    sizes["context"] = CONTEXT[1]
    return {name: sizes[name] for name in COMPONENTS}


def _peak(oplist: OpList, place: int) -> Peak | None:
    if not oplist.ops:
        return None
    op = oplist.ops[place]
    return Peak(op.phase, op.name, op.module, op.source)


def _phases(oplist: OpList) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for place, op in enumerate(oplist.ops):
        if not found or found[-1][1] != op.phase:
            found.append((place, op.phase))
    return found
