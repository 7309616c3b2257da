"""Rows of tables of measured operators as operators of a trace, so that both are predicted in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from gpugap.core.errors import Unsupported
from gpugap.core.oplist import Op, OpKind, Phase

_ITEM_BYTES = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_ALSO = {"float": "float32", "fp32": "float32", "half": "float16", "fp16": "float16", "bf16": "bfloat16"}
_ALSO |= {"double": "float64", "fp64": "float64"}
"""Other names of the same."""
_MULTIPLYING = ("bmm", "linear", "conv")
_MOST = 2**48
"""No size of a tensor is as large."""
_STATISTICS = 2
"""Numbers of single precision that a normalization keeps of each row: mean and reciprocal deviation."""
_NAMES: Mapping[str, tuple[str, OpKind, int]] = {
    "add": ("aten.add", "elementwise", 2),
    "mul": ("aten.mul", "elementwise", 2),
    "div": ("aten.div", "elementwise", 2),
    "pow": ("aten.pow", "elementwise", 2),
    "addu": ("aten.add", "elementwise", 1),
    "mulu": ("aten.mul", "elementwise", 1),
    "divu": ("aten.div", "elementwise", 1),
    "powu": ("aten.pow", "elementwise", 1),
    "relu": ("aten.relu", "elementwise", 1),
    "gelu": ("aten.gelu", "elementwise", 1),
    "tanh": ("aten.tanh", "elementwise", 1),
    "softmax": ("aten._softmax", "softmax", 1),
    "ln": ("aten.native_layer_norm", "norm", 1),
}
"""Operators of one shape by the tables' name: ours, its kind, and how many tensors it reads."""
TABLE_KINDS = ("bmm", "linear", "conv", *_NAMES)


def op_of_row(row: Mapping[str, Any]) -> Op:
    """The operator of a row, as a trace of the same call has it.

    Args:
        row: ``op_kind`` and its sizes: ``batch``, ``gemm_m``, ``gemm_n``, ``gemm_k`` of matrix products; ``rows`` and
            ``row_len`` of element-wise operators, softmax and layer norm; ``batch``, ``c_in``, ``c_out``,
            ``kernel_size``, ``hw_in_px``, ``hw_out_px`` of convolutions; ``dtype``, ``tf32``, ``phase`` and ``groups``
            where present.

    Raises:
        Unsupported: no such kind, a missing size or an unknown dtype.
    """
    kind, dtype = str(row.get("op_kind")), _dtype(row)
    if kind in _MULTIPLYING and dtype == "float32" and str(row.get("tf32")).lower() in ("true", "1", "1.0"):
        dtype = "tf32"
    phase: Phase = "backward" if row.get("phase") == "backward" else "forward"
    if kind == "bmm":
        return _product("aten.bmm", _sizes(row, "batch", "gemm_m", "gemm_n", "gemm_k"), dtype, phase)
    if kind == "linear":
        return _product("aten.addmm", (1, *_sizes(row, "gemm_m", "gemm_n", "gemm_k")), dtype, phase, bias=True)
    if kind == "conv":
        return _convolution(row, dtype, phase)
    if kind in _NAMES:
        rows, length = _sizes(row, "rows", "row_len")
        return _of_rows(kind, (rows, length), dtype, phase)
    raise Unsupported(f"unknown operator kind {kind}", f"known: {', '.join(TABLE_KINDS)}")


def _missing(value: Any) -> bool:
    return value is None or str(value).lower() in ("", "nan", "<na>")


def _dtype(row: Mapping[str, Any]) -> str:
    told = row.get("dtype")
    if _missing(told):
        return "float32"
    name = str(told).lower().removeprefix("torch.")
    name = _ALSO.get(name, name)
    if name not in _ITEM_BYTES:
        raise Unsupported(f"unknown dtype {told}", f"known: {', '.join(_ITEM_BYTES)}")
    return name


def _sizes(row: Mapping[str, Any], *names: str) -> tuple[int, ...]:
    """Sizes of a row, each a whole number above 0."""
    found = []
    for name in names:
        value = row.get(name)
        if _missing(value):
            raise Unsupported(f"a row of kind {row.get('op_kind')} without {name}", "leave it out")
        try:
            number = float(str(value))
        except (TypeError, ValueError):
            number = 0.0
        if not 1 <= number <= _MOST or number != int(number):
            raise Unsupported(f"a row of kind {row.get('op_kind')} whose {name} is no size", "leave it out")
        found.append(int(number))
    return tuple(found)


def _product(name: str, sizes: Sequence[int], dtype: str, phase: Phase, *, bias: bool = False) -> Op:
    batch, m, n, k = sizes
    item = _ITEM_BYTES[dtype]
    read = batch * (m * k + k * n) + (n if bias else 0)
    dimensions = (("batch", batch), ("m", m), ("n", n), ("k", k))
    flops = 2 * batch * m * n * k
    return Op(name, "gemm", phase, "", "", dtype, dimensions, flops, read * item, batch * m * n * item)


def _convolution(row: Mapping[str, Any], dtype: str, phase: Phase) -> Op:
    batch, inputs, outputs, kernel, side_in, side_out = _sizes(
        row, "batch", "c_in", "c_out", "kernel_size", "hw_in_px", "hw_out_px"
    )
    told = row.get("groups")
    groups = 1 if _missing(told) else _sizes(row, "groups")[0]
    if inputs % groups or outputs % groups:
        raise Unsupported("a row of kind conv whose groups do not divide its channels", "leave it out")
    passes = 2 if phase == "backward" else 1
    item, weights = _ITEM_BYTES[dtype], outputs * (inputs // groups) * kernel**2
    before, after = batch * inputs * side_in**2, batch * outputs * side_out**2
    dimensions = (
        ("batch", batch),
        ("inputs", inputs),
        ("outputs", outputs),
        ("kernel", kernel**2),
        ("positions", side_out**2),
        ("groups", groups),
        ("passes", passes),
    )
    flops = passes * 2 * batch * side_out**2 * weights
    if phase == "backward":
        read, written = before + after + weights, before + weights
        name = "aten.convolution_backward"
        return Op(name, "conv", phase, "", "", dtype, dimensions, flops, read * item, written * item)
    read = before + weights
    return Op("aten.convolution", "conv", phase, "", "", dtype, dimensions, flops, read * item, after * item)


def _of_rows(kind: str, shape: tuple[int, int], dtype: str, phase: Phase) -> Op:
    name, work, tensors = _NAMES[kind]
    rows, length = shape
    item, elements = _ITEM_BYTES[dtype], rows * length
    read, written = tensors * elements * item, elements * item
    if work == "norm":
        read, written = read + 2 * length * item, written + _STATISTICS * rows * 4
    if phase == "backward":
        name, read = f"{name}_backward", read + elements * item
    return Op(name, work, phase, "", "", dtype, (("elements", elements),), 0, read, written)


def ops_of_decomposition(items: Iterable[Any], phase: Phase = "forward", dtype: str = "float32") -> Iterator[Op]:
    """The operators of a graph node, from a table of measured nodes.

    Args:
        items: ``["Linear", (rows, in, out)]``, ``["BMM", (batch, m, k, n)]``, ``["VECadd", (rows, row_len)]``,
            ``["MEM", (shape, ...)]``; of ``MEM`` the last shape is written, the ones before it are read.
        phase: of the step.
        dtype: computed in.

    Raises:
        Unsupported: an item of another form.
    """
    for item in items:
        try:
            name, sizes = item
            yield _node(str(name), tuple(sizes), phase, dtype)
        except (TypeError, ValueError, KeyError) as error:
            raise Unsupported(f"unknown part {str(item)[:60]} of a node", "leave its row out") from error


def _node(name: str, sizes: tuple[Any, ...], phase: Phase, dtype: str) -> Op:
    if name == "Linear":
        rows, inputs, outputs = sizes
        return _product("aten.addmm", (1, rows, outputs, inputs), dtype, phase, bias=True)
    if name == "BMM":
        batch, m, k, n = sizes
        return _product("aten.bmm", (batch, m, n, k), dtype, phase)
    if name == "MEM":
        return _moved(sizes, phase, dtype)
    rows, length = sizes
    return _of_rows(name.removeprefix("VEC"), (rows, length), dtype, "forward")


def _moved(shapes: tuple[Any, ...], phase: Phase, dtype: str) -> Op:
    counts = [prod(shape) if isinstance(shape, tuple) else int(shape) for shape in shapes]
    item = _ITEM_BYTES[dtype]
    read, written = sum(counts[:-1] or counts), counts[-1]
    return Op("aten.copy_", "copy", phase, "", "", dtype, (("elements", written),), 0, read * item, written * item)
