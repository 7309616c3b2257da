"""`Recorder`: watches every operator and every storage of a step, and writes down what a GPU would run and hold."""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)
from torch.utils._python_dispatch import TorchDispatchMode

from gpugap.core.errors import Unsupported
from gpugap.core.oplist import START, Op, OpKind, Phase, Role, Storage
from gpugap.frameworks.torch.trace.kinds import VIEWS_IN_PLACE, kind_of
from gpugap.frameworks.torch.trace.work import COUNTERS

_DEVICE = torch.ops.prim.device.default
_ITEM = torch.ops.aten._local_scalar_dense.default
_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parents[3]))
"""Where code that is not the user's lies; gpugap's own networks count as the user's."""
_NETS = str(Path(__file__).parents[1] / "nets")
_RUNS = ("__init__.py", "variants.py", "step.py")
"""gpugap's own files that run a step: who called them is not of the step."""
_STOP = "/"
_UNREDUCED = ("mse_loss", "smooth_l1_loss", "soft_margin_loss", "binary_cross_entropy")
"""Losses whose result keeps the storage of what they reduce: that of an input."""
_STEP_COUNT = 2.0
"""What an optimizer reads where it asks for the number of its step."""
DATA_DEPENDENT = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException)
"""What fake tensors raise where an operator needs values."""


@dataclass(slots=True)
class _Piece:
    """A storage while it is watched."""

    memory_bytes: int
    born: int
    role: Role | None = None
    owner: str = ""
    died: int | None = None
    result: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an operator before it runs."""

    name: str
    kind: OpKind
    counted: bool
    in_place: bool
    optimizer: bool
    unreduced: bool


@dataclass(slots=True)
class Places:
    """Where in the user's model and code an operator is.

    Attributes:
        names: dotted paths of modules by identity.
        stack: paths of the modules being called.
        nodes: module and line of every node of the autograd graph, by its number.
    """

    names: Mapping[int, str]
    stack: list[str] = field(default_factory=lambda: [""])
    nodes: dict[int, tuple[str, str]] = field(default_factory=dict)


class Recorder(TorchDispatchMode):
    """Records while it is entered; the innermost mode, so that it sees what the others let through.

    Args:
        places: names of modules.
    """

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places
        self.ops: list[Op] = []
        self.pieces: list[_Piece] = []
        self.uncounted: Counter[str] = Counter()
        self.first_met: dict[str, str] = {}
        self.updating = False
        self._live: dict[int, tuple[int, Any]] = {}
        self._known: dict[Any, _Known] = {}
        self._files: dict[str, str | None] = {}

    # -- storages ------------------------------------------------------------------------------------------------------

    def hold(self, tensor: torch.Tensor, role: Role, owner: str = "") -> None:
        """Counts a tensor's storage that was there before the step; one that is known keeps its role."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._live:
            self._adopt(storage, START, role, owner)

    def mark(self, tensor: torch.Tensor, role: Role, owner: str) -> None:
        """Gives the storage of a tensor a role, whenever it was made."""
        place = self._live.get(tensor.untyped_storage()._cdata)
        if place is None:
            self.hold(tensor, role, owner)
        elif self.pieces[place[0]].role != "parameter":
            self.pieces[place[0]].role, self.pieces[place[0]].owner = role, owner

    def results(self, tensors: Iterable[torch.Tensor]) -> None:
        """Notes the model's outputs; those of an earlier part of the batch have lost their name."""
        for piece in self.pieces:
            piece.result = False
        for tensor in tensors:
            place = self._live.get(tensor.untyped_storage()._cdata)
            if place is not None:
                self.pieces[place[0]].result = True

    def position(self, tensor: torch.Tensor) -> int:
        """The place of a known storage among the pieces."""
        place, _ = self._live[tensor.untyped_storage()._cdata]
        return place

    def leave_out(self, place: int) -> None:
        """Counts a piece as none of the device's: a GPU run has it in host memory, or not at all."""
        self.pieces[place].memory_bytes = 0

    def _adopt(self, storage: Any, born: int, role: Role | None = None, owner: str = "") -> int:
        index, key = len(self.pieces), storage._cdata
        piece = _Piece(storage.nbytes(), born, role, owner)
        self.pieces.append(piece)

        def dead(_: Any) -> None:
            piece.died = len(self.ops)
            if self._live.get(key, (None,))[0] == index:
                del self._live[key]

        self._live[key] = (index, weakref.ref(storage, dead))
        return index

    def finish(self) -> None:
        """Ends the record; what dies from now on outlives the step."""
        self._live.clear()

    def storages(self) -> list[Storage]:
        """All pieces, with a role found for those that have none."""
        backward, found = [0], []
        for op in self.ops:
            backward.append(backward[-1] + (op.phase == "backward"))
        last = len(self.ops)
        for piece in self.pieces:
            role = piece.role
            if role is None:
                end = last if piece.died is None else piece.died
                kept = backward[end] > backward[piece.born] and self.ops[piece.born].phase == "forward"
                inference = backward[-1] == 0
                role = "activation" if kept or inference else "temporary"
            found.append(Storage(piece.memory_bytes, role, piece.born, piece.died, piece.owner, piece.result))
        return found

    # -- operators -----------------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator on fake tensors and writes it down."""
        if func is _ITEM and self.updating:
            return _STEP_COUNT
        if func is _DEVICE:
            return func(*args)  # asked for before every operator
        known = self._known.get(func) or self._know(func)
        try:
            result = func(*args, **(kwargs or {}))
        except DATA_DEPENDENT as error:
            raise _data_dependent(known.name, self.source()) from error
        self._record(known, args, kwargs, result)
        return result

    def _know(self, func: Any) -> _Known:
        name = func._schema.name.partition("::")[2]
        kind = kind_of(name)
        known = _Known(
            name=f"{func.namespace}.{name}",
            kind=kind,
            counted=kind != "other",
            in_place=func._schema.is_mutable and name not in VIEWS_IN_PLACE,
            optimizer=kind == "optimizer",
            unreduced=name in _UNREDUCED,
        )
        self._known[func] = known
        return known

    def _record(self, known: _Known, args: Any, kwargs: Any, result: Any) -> None:
        made: list[int] = []
        written, elements = 0, 0
        for tensor in _tensors((result,)):
            storage = tensor.untyped_storage()
            size = tensor.numel()
            written += size * tensor.itemsize
            elements = max(elements, size)
            if storage._cdata not in self._live:
                made.append(self._adopt(storage, len(self.ops)))
        if not (made or known.in_place):
            return  # a view, which launches nothing
        if known.unreduced and made:
            piece = self.pieces[made[0]]
            piece.memory_bytes = max(piece.memory_bytes, args[0].numel() * args[0].itemsize)
        read, dtype = 0, ""
        for tensor in _tensors((*args, *kwargs.values()) if kwargs else args):
            storage = tensor.untyped_storage()
            read += tensor.numel() * tensor.itemsize
            dtype = dtype or str(tensor.dtype)
            if storage._cdata not in self._live:
                self._adopt(storage, START, "input")
        phase, module, source = self._where(known)
        counter = COUNTERS.get(known.name.rpartition(".")[2])
        dimensions, flops = counter(args, result) if counter else ((("elements", elements),), 0)
        if not known.counted:
            self.uncounted[known.name] += 1
            self.first_met.setdefault(known.name, source or module)
        dtype = (dtype or (str(result.dtype) if isinstance(result, torch.Tensor) else "")).removeprefix("torch.")
        self.ops.append(
            Op(known.name, known.kind, phase, module, source, dtype, dimensions, flops, read, written, tuple(made))
        )

    def _where(self, known: _Known) -> tuple[Phase, str, str]:
        places = self.places
        if known.optimizer or self.updating:
            return "optimizer", "", self.source()
        if torch._C._current_graph_task_id() < 0:
            here = (places.stack[-1], self.source())
            places.nodes.setdefault(torch.autograd._get_sequence_nr() - 1, here)
            return "forward", *here
        if len(places.stack) > 1:
            return "backward", places.stack[-1], self.source()  # a checkpoint runs its forward pass again
        node = torch._C._current_autograd_node()
        module, source = places.nodes.get(node._sequence_nr(), ("", "")) if node is not None else ("", "")
        return "backward", module, source

    def source(self) -> str:
        """The innermost line of the user's code that is being run: ``train.py:12``; empty where there is none."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            path = frame.f_code.co_filename
            name = self._files.get(path, "")
            if name == "":
                name = self._files[path] = _user_file(path)
            if name == _STOP:
                return ""
            if name:
                return f"{name}:{frame.f_lineno}"
            frame = frame.f_back
        return ""


def _user_file(path: str) -> str | None:
    """The name of a file of the user's; None for one of torch, gpugap or Python itself, `_STOP` where a step begins."""
    if path.startswith(_OWN[1]) and path.endswith(_RUNS) and not path.startswith(_NETS):
        return _STOP
    if path.startswith("<") or (path.startswith(_OWN) and not path.startswith(_NETS)):
        return None
    if "site-packages" in path or path.startswith(sys.base_prefix):
        return None
    return Path(path).name


def _data_dependent(operator: str, source: str) -> Unsupported:
    at = f" at {source}" if source else ""
    return Unsupported(
        f"{operator}{at} needs the values of a tensor, which a trace without memory does not have",
        "gpugap measure runs the step itself; or take the shape from the input",
    )


def _tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    """The tensors among arguments or results, in lists too."""
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [item for item in value if isinstance(item, torch.Tensor)]
    return found
