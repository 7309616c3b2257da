"""`Kernels`: what a GPU launches for a list of operators, as columns of numbers; every distinct operator once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from gpugap.core.oplist import Op, OpKind
from gpugap.predict.latency.chip import BF16, FP16, FP32, FP64, TF32, Chip

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Form = Literal["product", "dense", "pointwise", "grouped", "depthwise", "attention", "traffic"]
"""How a kernel computes: matrix product; convolution of a window, of single positions, in groups, channel by channel;
fused attention; everything else moves bytes."""
FORMS: tuple[Form, ...] = get_args(Form)
KINDS: tuple[str, ...] = (*get_args(OpKind), "batch norm", "group norm")
"""Kinds of operators; a normalization over the batch or a group reads and writes otherwise than one over a row."""
RATE_OF = {"float32": FP32, "float16": FP16, "bfloat16": BF16, "float64": FP64, "tf32": TF32}
"""Position in `RATES` by the type of the numbers."""
_ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float64": 8}
_NO_KERNEL = frozenset(
    f"aten.{name}" for name in ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")
)
"""Operators that only take memory."""
WINOGRAD_WINDOW = 9
"""Positions of a 3×3 window, the one that libraries transform to save multiplications."""

_BUNDLED, _BUNDLE = (4, 8, 16, 32), 32
"""Channels of a group, and groups of them, from which 3×3 gradients channels-last take a fraction of the time that
others take: ResNeXt's 32 groups of 4 to 32 channels against ResNeSt's 2 groups of 32 and more in timm's table."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """One kernel a row.

    Attributes:
        op: position of its operator in `distinct`.
        form: position in `FORMS`.
        kind: position in `KINDS`.
        rate: position in `gpugap.predict.latency.chip.RATES`.
        backward: whether it is of the backward pass.
        batch: independent products, also groups of a convolution.
        m: rows of the product; for a convolution sample positions.
        n: columns of the product; for a convolution channels written.
        k: contraction.
        side: positions of one sample of a convolution; 0 elsewhere.
        window: positions of a convolution's window; 0 elsewhere.
        same: whether a convolution keeps the number of positions, as one of stride 1 does.
        flops: two a multiply-add.
        read_bytes: of all inputs.
        written_bytes: of all outputs.
        launches: kernels of its operator that it stands for; 0 where it only takes memory.
        bundled: whether a convolution has groups of which libraries put several into one tile, channels-last.
        mixed: whether it runs in single precision within a step whose arithmetic is mostly in half.
        distinct: every distinct operator, in the order met.
        place: of each operator given, its position in `distinct`.
    """

    op: Ints
    form: Ints
    kind: Ints
    rate: Ints
    backward: Bools
    batch: Floats
    m: Floats
    n: Floats
    k: Floats
    side: Floats
    window: Floats
    same: Bools
    flops: Floats
    read_bytes: Floats
    written_bytes: Floats
    launches: Floats
    bundled: Bools
    mixed: Bools
    distinct: tuple[Op, ...]
    place: Ints

    @property
    def moved_bytes(self) -> Floats:
        """Read and written."""
        return self.read_bytes + self.written_bytes

    def is_form(self, *names: Form) -> Bools:
        """Which rows have one of the forms."""
        return np.isin(self.form, [FORMS.index(name) for name in names])

    def by_op(self, values: Floats) -> Floats:
        """Sums over the kernels of each distinct operator."""
        return np.bincount(self.op, values, len(self.distinct)).astype(np.float64)

    def rates(self, chip: Chip) -> tuple[Floats, Bools]:
        """Peak rate of each row on a chip in FLOP/s, and whether it is that of matrix units of less than single."""
        vector = self.is_form("depthwise", "traffic")  # neither multiplies matrices
        double, single = chip.rates_flop_per_s[FP64], chip.rates_flop_per_s[FP32]
        products = np.array(chip.product_flop_per_s)[self.rate]
        peak = np.where(vector, np.where(self.rate == FP64, double, single), products)
        return peak, np.where(vector, False, np.array(chip.matrix)[self.rate])


def kernels_of(ops: Sequence[Op], *, tf32: bool = False) -> Kernels:
    """The kernels of operators.

    Args:
        ops: of a trace or of a table.
        tf32: products of single precision run in TF32.
    """
    places: dict[tuple[Any, ...], int] = {}
    place = np.empty(len(ops), np.int64)
    distinct: list[Op] = []
    for index, op in enumerate(ops):
        key = (op.name, op.kind, op.phase, op.dtype, op.dimensions, op.read_bytes, op.written_bytes)
        found = places.setdefault(key, len(distinct))
        if found == len(distinct):
            distinct.append(op)
        place[index] = found
    rows = [(index, *row) for index, op in enumerate(distinct) for row in _rows(op, tf32)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 17).T
    whole, truth = table[:5].astype(np.int64), table[11].astype(bool)
    half = (whole[3] == FP16) | (whole[3] == BF16)
    mixed = ~half & bool(table[12][half].sum() > table[12][~half].sum())
    return Kernels(
        whole[0], whole[1], whole[2], whole[3], whole[4].astype(bool),
        table[5], table[6], table[7], table[8], table[9], table[10], truth,
        table[12], table[13], table[14], table[15], table[16].astype(bool), mixed,
        tuple(distinct), place,
    )  # fmt: skip


_Row = tuple[float, ...]


def _kind(op: Op) -> str:
    if op.kind != "norm":
        return op.kind
    return next((f"{over} norm" for over in ("batch", "group") if f"{over}_norm" in op.name), "norm")


def _rows(op: Op, tf32: bool) -> Iterable[_Row]:
    kind, backward = KINDS.index(_kind(op)), float(op.phase == "backward")
    rate = RATE_OF.get(op.dtype, FP32)
    sizes = dict(op.dimensions)
    if rate == FP32 and tf32 and op.kind in ("gemm", "conv"):
        rate = TF32
    if op.kind == "conv" and sizes.get("positions"):
        yield from _convolution(op, sizes, (kind, rate, backward))
        return
    if op.kind == "gemm" and sizes.get("k"):
        form = FORMS.index("product")
        shape: tuple[int, ...] = (sizes["batch"], sizes["m"], sizes["n"], sizes["k"], 0, 0, 0)
    elif op.kind == "attention" and sizes.get("head"):
        form = FORMS.index("attention")
        shape = (sizes["batch"] * sizes["heads"], sizes["queries"], sizes["head"], sizes["keys"], 0, 0, 0)
    else:
        form, shape = FORMS.index("traffic"), (1, max(1, sizes.get("elements", 1)), 1, 1, 0, 0, 0)
    launches = 0.0 if op.name in _NO_KERNEL else 1.0
    yield form, kind, rate, backward, *shape, op.flops, op.read_bytes, op.written_bytes, launches, 0.0


def _convolution(op: Op, sizes: dict[str, int], ids: tuple[int, int, float]) -> Iterator[_Row]:
    """Forward one product; backward one for each gradient, with the same multiplications."""
    batch, inputs, outputs, window, positions, groups, passes = (
        sizes[name] for name in ("batch", "inputs", "outputs", "kernel", "positions", "groups", "passes")
    )
    item = _ITEM_BYTES.get(op.dtype, 4)
    each_in, each_out = max(1, inputs // groups), max(1, outputs // groups)
    after = batch * outputs * positions
    seen = op.read_bytes // item - outputs * each_in * window - (after if op.phase == "backward" else 0)
    before = max(1, round(seen / (batch * inputs)))  # positions of the input
    form, bundled = _form(groups, inputs, window), float(_bundled(groups, (each_in, each_out), window))
    same = float(before == positions)
    kind, rate, backward = ids
    for gradient in range(passes):
        shape: tuple[float, ...]
        if op.phase != "backward":
            shape = (groups, batch * positions, each_out, each_in * window)
        elif gradient == 0:  # of the weights; always asked for
            shape = (groups, each_out, each_in * window, batch * positions)
        else:  # of the inputs
            shape = (groups, batch * before, each_in, each_out * window * positions / before)
        share = 1 / passes
        amounts = (op.flops * share, op.read_bytes * share, op.written_bytes * share, 1.0, bundled)
        yield FORMS.index(form), kind, rate, backward, *shape, positions, window, same, *amounts


def _bundled(groups: int, each: tuple[int, int], window: int) -> bool:
    """Whether groups of these channels, read and written, are put together into one tile."""
    return groups >= _BUNDLE and each[0] == each[1] and each[0] in _BUNDLED and window == WINOGRAD_WINDOW


def _form(groups: int, inputs: int, window: int) -> Form:
    if groups == 1:
        return "pointwise" if window == 1 else "dense"
    return "depthwise" if groups == inputs else "grouped"
