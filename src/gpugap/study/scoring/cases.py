"""`Case`: a row as what is to be predicted, or the reason why it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.catalog import Gpu, gpu
from gpugap.core.attention import Capability
from gpugap.core.errors import AmbiguousName, UnknownName, Unsupported
from gpugap.core.oplist import Op
from gpugap.predict.latency.table_ops import op_of_row
from gpugap.predict.memory import capability_of
from gpugap.study.scoring.nodes import nodes
from gpugap.study.scoring.recipes import CAPABILITY, Recipe, language_kind
from gpugap.study.scoring.tables import Table, positive

_MODES = {"training": "train", "train": "train", "inference": "inference", "forward": "inference"}
_IMAGE_BATCH, _LANGUAGE_BATCH = 32, 2
_MODERN = 2
"""Major version of PyTorch since which attention is fused and optimizers update all parameters at once."""
_HALF = {"amp": "float16", "amp_float16": "float16", "fp16": "float16", "float16": "float16"}
_HALF |= {"amp_bfloat16": "bfloat16", "bf16": "bfloat16", "bfloat16": "bfloat16"}
"""What image models compute in by the tables' name for it; mixed with single precision, as autocast does."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measured time.

    Attributes:
        file: the table's name.
        row: of the table, counted from 1.
        table: kind of table.
        kind: operator's kind; of whole models the kind of table.
        family: of the model; empty for operators.
        phase: ``forward``, ``backward``, ``accumulate``, ``inference`` or ``training``.
        device: as the table names it.
        gpu: of the catalog; None where unknown.
        measured_s: the measured time; None where it is none.
        work: what is predicted; None where it cannot be.
        reason: why not; empty where it can.
    """

    file: str
    row: int
    table: str
    kind: str
    family: str
    phase: str
    device: str
    gpu: Gpu | None
    measured_s: float | None
    work: Op | tuple[Op, ...] | Whole | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole step.

    Attributes:
        recipe: what is traced.
        batch: samples.
        channels_last: memory format of images.
        half: dtype of image models' products.
        parameters: of the model that was measured; 0 where the table does not tell.
    """

    recipe: Recipe
    batch: int
    channels_last: bool = False
    half: str = "float16"
    parameters: int = 0


class Devices:
    """GPUs of the catalog by the tables' names for them, each looked up once.

    Args:
        rows: of the catalog; the packaged ones where None.
    """

    def __init__(self, rows: Sequence[Gpu] | None = None) -> None:
        self._rows = rows
        self._known: dict[str, Gpu | None] = {}
        self._several: dict[str, str] = {}

    def __call__(self, name: str) -> Gpu | None:
        """The GPU of that name; None for one that the catalog does not know, or knows several of."""
        if name not in self._known:
            try:
                self._known[name] = gpu(name, self._rows)
            except AmbiguousName as error:
                self._known[name], self._several[name] = None, error.message
            except UnknownName:
                self._known[name] = None
        return self._known[name]

    def reason(self, name: str) -> str:
        """Why there is no GPU of that name."""
        return self._several.get(name, f"device not in the catalog: {name}")


def cases(table: Table, chosen: Sequence[int], devices: Devices) -> Iterator[Case]:
    """The cases of a table's rows; a row of the nodes' table may hold several.

    Args:
        table: measured.
        chosen: numbers of its rows, from 0.
        devices: finds GPUs.
    """
    make = {"ops": _op, "nodes": nodes, "models": _model, "images": _image}[table.kind]
    for place, row in zip(chosen, table.rows(chosen), strict=True):
        device = str(row.get("device" if table.kind == "images" else "gpu"))
        head: dict[str, Any] = {"file": table.path.name, "row": place + 1, "table": table.kind, "device": device}
        head["gpu"] = devices(device)
        for made in make(row, head["gpu"]):
            column = made.pop("column")
            measured = positive(row.get(column))
            reason = made.pop("reason", "")
            if not reason and measured is None:
                reason = f"{column} is zero, negative, NaN or missing"
            if head["gpu"] is None:
                reason = devices.reason(device)
            yield Case(**head, **made, measured_s=measured, reason=reason)


def _op(row: Mapping[str, Any], _: Gpu | None) -> Iterator[dict[str, Any]]:
    made = {"kind": str(row.get("op_kind")), "family": "", "phase": str(row.get("phase") or "forward")}
    try:
        work, reason = op_of_row(row), ""
    except Unsupported as error:
        work, reason = None, error.message
    yield {**made, "column": "latency_s", "work": work, "reason": reason}


def _model(row: Mapping[str, Any], _: Gpu | None) -> Iterator[dict[str, Any]]:
    made = {"kind": "models", "family": str(row.get("model") or ""), "phase": str(row.get("phase"))}
    made["column"] = "measured_total_s"
    try:
        option = str(row.get("option") or "")
        if option not in ("", "eager", "nan"):
            raise Unsupported(f"option {option} is not modeled")
        if str(row.get("dtype") or "float32") != "float32":
            raise Unsupported(f"dtype {row.get('dtype')} of whole models is not modeled")
        names = ("n_layer", "d_model", "n_head", "d_ffn", "vocab", "seq_len")
        ours = ("layers", "width", "heads", "inner", "vocabulary", "length")
        sizes = [(name, _whole(row, column)) for name, column in zip(ours, names, strict=True)]
        experts = positive(row.get("n_experts"))
        sizes.append(("experts", int(experts) if experts and experts > 1 else 0))
        batch = _whole(row, "batch_size")
        start = 1 if batch == 1 else _LANGUAGE_BATCH
        recipe = Recipe("language", language_kind(row), _mode(row), tuple(sizes), start)
        yield {**made, "work": Whole(recipe, batch)}
    except Unsupported as error:
        yield {**made, "work": None, "reason": error.message}


def _image(row: Mapping[str, Any], found: Gpu | None) -> Iterator[dict[str, Any]]:
    made = {"kind": "images", "family": str(row.get("family") or ""), "phase": str(row.get("phase"))}
    made["column"] = "step_time_s"
    try:
        if row.get("compiled") in (True, "True", "true", 1.0):
            raise Unsupported("torch.compile is not modeled")
        precision = str(row.get("precision") or "amp").lower()
        if precision not in _HALF:
            raise Unsupported(f"precision {precision} of image models is not modeled")
        batch, version = _whole(row, "batch_size"), str(row.get("torch_version") or "2")
        modern = int(version.partition(".")[0]) >= _MODERN if version.partition(".")[0].isdigit() else True
        recipe = Recipe(
            "image",
            str(row.get("arch")),
            _mode(row),
            (("pixels", _whole(row, "img_size_px")),),
            1 if batch == 1 else _IMAGE_BATCH,
            modern=modern,
            capability=_capability(found) if modern else CAPABILITY,
            merged=_merged(str(row.get("arch")), version),
        )
        last = str(row.get("memory_format") or "nchw").lower() in ("nhwc", "channels_last")
        yield {**made, "work": Whole(recipe, batch, last, _HALF[precision], int(positive(row.get("params")) or 0))}
    except Unsupported as error:
        yield {**made, "work": None, "reason": error.message}


_MERGED = ("fastvit", "ghostnetv3", "levit", "mobileone", "repghost", "repvgg", "repvit", "efficientvit_m", "tiny_vit")
"""Beginnings of architectures with branches or norms that merge."""
_MERGED_SINCE = (2, 9)
"""PyTorch from which on timm's tables hold merged models: their parameters are fewer there, with 2.4 they are not."""


def _merged(name: str, version: str) -> bool:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return numbers >= _MERGED_SINCE and name.startswith(_MERGED)


def _capability(found: Gpu | None) -> Capability:
    """Whose attention kernels run: from compute capability 8 on they are the same for these models."""
    if found is None or not found.compute_capability:
        return CAPABILITY
    return min(CAPABILITY, capability_of(found.compute_capability, found.name))


def _mode(row: Mapping[str, Any]) -> str:
    phase = str(row.get("phase"))
    if phase not in _MODES:
        raise Unsupported(f"phase {phase} is not modeled")
    return _MODES[phase]


def _whole(row: Mapping[str, Any], name: str) -> int:
    value = positive(row.get(name))
    if value is None or value != int(value):
        raise Unsupported(f"{name} is no positive whole number")
    return int(value)
