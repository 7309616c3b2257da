"""torchvision where it is absent or does not fit this torch: timm imports it, and its models do without.

PyPI's torchvision is built for PyPI's torch; beside a CPU build its operators are missing, and its import fails at the
first that it registers itself for. Declared beforehand they are enough. Where there is no torchvision at all, names
stand in for its modules and classes while timm is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

import torch

_NAME = "torchvision"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""Operators that its Python code registers itself for, whether or not its own library can be loaded."""
_libraries: list[Any] = []


@contextlib.contextmanager
def torchvision() -> Iterator[None]:
    """``import torchvision`` works within, by the real one if that can be; a stand-in is gone afterwards."""
    _declare()
    try:
        importlib.import_module(_NAME)
    except (ImportError, RuntimeError, AttributeError, OSError):
        _forget()
        finder = _Finder()
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            _forget()
    else:
        yield


def _declare() -> None:
    if _NAME in sys.modules or _libraries:
        return
    _libraries.append(torch.library.Library(_NAME, "FRAGMENT"))
    for schema in _SCHEMAS:
        with contextlib.suppress(RuntimeError):  # torchvision's own library has declared it
            _libraries[0].define(schema)


def _forget() -> None:
    """Drops what is left of a failed import, or of a stand-in."""
    for name in [name for name in sys.modules if name.partition(".")[0] == _NAME]:
        del sys.modules[name]


class _Nothing(type):
    """Classes that have every attribute: another such class."""

    def __getattr__(cls, name: str) -> Any:
        return _nothing(name)


def _nothing(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Nothing(name, (), {})


class _Module(types.ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        return _nothing(name)


class _Finder(MetaPathFinder, Loader):
    """Finds every module of torchvision, and makes it of nothing."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        """As the protocol has it."""
        del path, target
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] == _NAME else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """As the protocol has it."""
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""
