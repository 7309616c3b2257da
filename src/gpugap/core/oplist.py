"""`OpList`: one step as a list of operators and of the memory they hold, whatever framework it was traced in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gpugap.core.errors import Unsupported

OpKind = Literal[
    "gemm",
    "conv",
    "attention",
    "norm",
    "elementwise",
    "reduction",
    "softmax",
    "pool",
    "embedding",
    "copy",
    "random",
    "optimizer",
    "index",
    "other",
]
Phase = Literal["forward", "backward", "optimizer"]
Role = Literal["parameter", "gradient", "optimizer", "input", "activation", "temporary"]
ROLES: tuple[Role, ...] = ("parameter", "gradient", "optimizer", "input", "activation", "temporary")
START = -1
"""`Storage.born` of what was there before the step."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A piece of device memory and its lifetime within the step.

    Attributes:
        memory_bytes: as asked for, before any allocator rounds it.
        role: what it holds. Activations are made in the forward pass and needed by the backward pass; everything else
            that a step makes and drops is temporary.
        born: position of the operator that allocates it; `START` for what was there before the step.
        died: position of the first operator that runs without it; None where it outlives the step.
        owner: dotted path of the parameter that a gradient or optimizer state belongs to; empty for others.
        result: whether it is of the model's outputs, which a training loop that names them holds until the step ends.
    """

    memory_bytes: int
    role: Role
    born: int
    died: int | None
    owner: str = ""
    result: bool = False


@dataclass(frozen=True, slots=True)
class Op:
    """One operator as a GPU would launch it.

    Attributes:
        name: the framework's own name: ``aten.convolution``.
        kind: class of work.
        phase: of the step.
        module: dotted path of the module that called it, or whose backward pass it is; empty outside of modules.
        source: the user's line, ``train.py:12``; empty where there is none.
        dtype: computed in: ``float32``.
        dimensions: by name. ``gemm``: batch, m, n, k. ``conv``: batch, inputs, outputs, kernel, positions (output
            positions of one sample), groups, passes (gradients computed at once). ``attention``: batch, heads, queries,
            keys, head, causal. Others: elements (of the largest output).
        flops: two a multiply-add in matrix products, convolutions and attention; 0 for other kinds, whose cost is
            their bytes.
        read_bytes: of all inputs.
        written_bytes: of all outputs.
        outputs: indices of the storages it allocates.
    """

    name: str
    kind: OpKind
    phase: Phase
    module: str
    source: str
    dtype: str
    dimensions: tuple[tuple[str, int], ...]
    flops: int
    read_bytes: int
    written_bytes: int
    outputs: tuple[int, ...] = ()

    def dimension(self, name: str) -> int:
        """One dimension; 0 where the kind has none of that name."""
        return next((size for key, size in self.dimensions if key == name), 0)


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """What decides which attention kernel a GPU runs.

    Attributes:
        dtype: of queries, keys and values: ``float16``.
        head: size of a head.
        masked: whether an explicit mask is given.
        dropout: whether probabilities are dropped.
        training: whether a backward pass follows.
        barred: kernels that run on no GPU, whatever the rest: the tensors have other than four dimensions, queries are
            grouped, the step switches a kernel off.
    """

    dtype: str
    head: int
    masked: bool
    dropout: bool
    training: bool
    barred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpList:
    """One training or inference step, the second of a run: optimizer state exists, gradients of the first are there.

    Attributes:
        name: of the workload or of the user's step.
        mode: ``train`` or ``inference``.
        batch: samples.
        precision: as `gpugap.core.setting.Setting` names it.
        optimizer: what updates the parameters: ``AdamW (foreach)``; empty in inference.
        parameters: trainable and frozen ones, tied ones once.
        ops: in the order they run.
        storages: every piece of memory held at any moment.
        attention: the attention calls met, with the kernel assumed for each.
        assumed: what was assumed about the GPU's software, by topic.
        uncounted: operators whose work or memory is not known, by name, with how often and where they were met first.
    """

    name: str
    mode: str
    batch: int
    precision: str
    optimizer: str
    parameters: int
    ops: tuple[Op, ...]
    storages: tuple[Storage, ...]
    attention: Mapping[AttentionCall, str] = field(default_factory=dict)
    assumed: Mapping[str, str] = field(default_factory=dict)
    uncounted: Mapping[str, str] = field(default_factory=dict)

    @property
    def flops(self) -> int:
        """Of the whole step."""
        return sum(op.flops for op in self.ops)

    def role_bytes(self, role: Role) -> int:
        """Bytes of all storages of a role, whether or not they live at the same time."""
        return sum(storage.memory_bytes for storage in self.storages if storage.role == role)

    @property
    def gradient_bytes(self) -> int:
        """Bytes of the gradients of all parameters, each once: the step before left some that this one makes anew."""
        found = [storage for storage in self.storages if storage.role == "gradient"]
        largest: dict[str, int] = {}
        for one in found:
            if one.owner:
                largest[one.owner] = max(largest.get(one.owner, 0), one.memory_bytes)
        unnamed = [one for one in found if not one.owner]
        before, made = (sum(one.memory_bytes for one in unnamed if (one.born == START) is old) for old in (True, False))
        return sum(largest.values()) + max(before, made)


@dataclass(frozen=True, slots=True)
class Traced:
    """A step at two batch sizes, from which every other batch follows.

    Attributes:
        first: at the batch asked for.
        second: at another one; None where the step could not be traced there, and then no other batch follows.
        why: what stands against other batches; empty where they follow.
        faster: whether that is a part that grows faster than the batch, so that not even totals lie on a line.
    """

    first: OpList
    second: OpList | None = None
    why: str = ""
    faster: bool = False

    def at(self, batch: int) -> OpList:
        """The step at another batch size.

        Raises:
            Unsupported: the step does not grow in proportion with its batch, or its second trace failed.
        """
        if batch == self.first.batch:
            return self.first
        if self.why or self.second is None:
            raise Unsupported(
                f"{self.first.name} at batch {batch} does not follow from batch {self.first.batch}", self.why
            )
        return _between(self.first, self.second, batch)


def traced(first: OpList, second: OpList) -> Traced:
    """Two traces of the same step, after it is checked that all that differs grows in proportion with the batch."""
    form = _difference(first, second)
    faster = "" if form else _faster(*sorted((first, second), key=lambda one: one.batch))
    return Traced(first, second, form or faster, bool(faster))


def _difference(first: OpList, second: OpList) -> str:
    """Why a third batch does not follow from two; empty where it does."""
    if (first.ops, first.storages) == (second.ops, second.storages):
        return "nothing in it grows with the batch; give it as FILE.py:make_step, which builds it for a batch"
    if len(first.ops) != len(second.ops) or len(first.storages) != len(second.storages):
        return "its number of operators depends on the batch; trace that batch itself with --batch"
    for one, other in zip(first.ops, second.ops, strict=True):
        if one.name != other.name or one.outputs != other.outputs:
            return f"{one.name} runs where {other.name} runs at another batch; trace that batch itself with --batch"
    for piece, twin in zip(first.storages, second.storages, strict=True):
        if (piece.born, piece.died, piece.role) != (twin.born, twin.died, twin.role):
            return "its memory is held in another order at another batch; trace that batch itself with --batch"
    return ""


def _faster(small: OpList, large: OpList) -> str:
    """What grows faster than the batch, by two batches of the same form; empty where nothing does.

    Of any a + b n with a and b not below 0, k times the batch takes at most k times as much. A product is told by its
    dimensions too: it is the more exact of both where a constant hides what grows.
    """
    times = large.batch / small.batch
    for one, other in zip(small.ops, large.ops, strict=True):
        grown = sum(a[1] != b[1] for a, b in zip(one.dimensions, other.dimensions, strict=True))
        work = ((one.read_bytes, other.read_bytes), (one.written_bytes, other.written_bytes), (one.flops, other.flops))
        if (grown > 1 and one.kind in ("gemm", "attention")) or any(more > times * less for less, more in work):
            return _grows(one)
    for piece, twin in zip(small.storages, large.storages, strict=True):
        if twin.memory_bytes > times * piece.memory_bytes:
            return _grows(small.ops[piece.born] if piece.born != START else None)
    return ""


def _grows(op: Op | None) -> str:
    told = "what is there before the step" if op is None else op.name + (f" ({op.source})" if op.source else "")
    return f"{told} grows faster than the batch; trace that batch itself with --batch"


def _line(one: int, other: int, share: float) -> int:
    return one if one == other else max(0, round(one + (other - one) * share))


def _between(first: OpList, second: OpList, batch: int) -> OpList:
    """Every number on the straight line through two batches."""
    share = (batch - first.batch) / (second.batch - first.batch)
    return replace(
        first,
        batch=batch,
        ops=tuple(_ops_between(first, second, share)),
        storages=tuple(
            one
            if one.memory_bytes == other.memory_bytes
            else replace(one, memory_bytes=_line(one.memory_bytes, other.memory_bytes, share))
            for one, other in zip(first.storages, second.storages, strict=True)
        ),
    )


def _ops_between(first: OpList, second: OpList, share: float) -> Iterator[Op]:
    for one, other in zip(first.ops, second.ops, strict=True):
        if one == other:
            yield one
            continue
        sizes = zip(one.dimensions, other.dimensions, strict=True)
        yield replace(
            one,
            dimensions=tuple((name, _line(size, twin[1], share)) for (name, size), twin in sizes),
            flops=_line(one.flops, other.flops, share),
            read_bytes=_line(one.read_bytes, other.read_bytes, share),
            written_bytes=_line(one.written_bytes, other.written_bytes, share),
        )
