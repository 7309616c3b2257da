"""The memory a step takes on a GPU: allocated and reserved as torch has them, and the device total of nvidia-smi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpugap.core.attention import Capability
from gpugap.core.errors import Unsupported
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList, Role
from gpugap.core.units import gibibytes
from gpugap.predict.replay import Replay
from gpugap.predict.totals import CONTEXT, MIB, Totals, predicted
from gpugap.predict.workspace import assumptions

GIB = 1024**3
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
        reserved: held by the caching allocator with room to spare, as ``torch.cuda.max_memory_reserved``.
        device: what the allocator and the context hold on this GPU, as ``nvidia-smi`` shows a process: reserved and
            context, less what the allocator gives back where memory is short. The verdict is about it.
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
    timeline_bytes: tuple[int, ...] = field(repr=False)
    phases: tuple[tuple[int, str], ...] = field(repr=False)
    assumed: Mapping[str, str]

    def components(self) -> dict[str, Any]:
        """Every component as an estimate without an interval."""
        said = "share of the likely device total"
        return {
            name: Estimate(float(size), None, None, None, "B", "predicted", said, None).to_dict()
            for name, size in self.components_bytes.items()
        }


def memory(
    oplist: OpList, capability: Capability, *, usable: Estimate | None = None, channels_last: bool = False
) -> Memory:
    """The memory of a step.

    The low ends are what certainly must be there: tensors, one workspace, the smallest context, no fragmentation. The
    high ends are the replay with the most workspace, all that it reserves, and the largest context.

    Args:
        oplist: traced for the GPU's attention kernels.
        capability: its compute capability.
        usable: memory of the GPU, within which a step may run that takes more with room to spare; None for room to
            spare.
        channels_last: whether convolutions run channels-last.
    """
    totals = Totals(oplist, capability, channels_last=channels_last)
    least, likely, most = (totals.replayed(name) for name in ("least", "likely", "most"))
    untraced = totals.untraced_bytes("most")
    context = " to ".join(f"{CONTEXT[name] // MIB}" for name in ("least", "most"))
    context = f"{context} MiB, likely {CONTEXT['likely'] // MIB} (recalled, not measured)"
    return Memory(
        predicted(least.allocated_bytes, likely.allocated_bytes, most.allocated_bytes + untraced),
        predicted(least.allocated_bytes, likely.reserved_bytes, most.reserved_bytes + untraced),
        totals.device(usable),
        _components(totals.replayed("likely", usable)),
        _peak(oplist, likely.peak),
        likely.timeline_bytes,
        tuple(_phases(oplist)),
        assumptions(oplist, capability) | {"context": context} | _short(totals, usable),
    )


def _short(totals: Totals, usable: Estimate | None) -> dict[str, str]:
    """Says what keeps the device total below the reserved one."""
    spare, here = totals.device(), totals.device(usable)
    if spare == here:
        return {}
    ends = f"{gibibytes(spare.value)}, at most {gibibytes(spare.high)}"
    return {"short memory": f"unused segments are given back to run within it; with room to spare the total is {ends}"}


def capability_of(text: str, name: str) -> Capability:
    """The compute capability in the catalog's words: ``8.6`` -> (8, 6).

    Raises:
        Unsupported: the GPU has none, so that its kernels and its allocator are not PyTorch's for CUDA.
    """
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise Unsupported(f"memory on {name} is not modeled: it has no CUDA compute capability", "name an NVIDIA GPU")
    return int(major), int(minor)


def _components(found: Replay) -> dict[str, int]:
    sizes = {_NAMES[role]: size for role, size in found.roles_bytes.items()}
    sizes["workspace"] = found.workspace_bytes
    sizes["temporary"] += max(0, found.allocated_bytes - sum(sizes.values()))  # rests of blocks that were not cut off
    sizes["fragmentation"] = found.reserved_bytes - found.allocated_bytes
    sizes["context"] = CONTEXT["likely"]
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
