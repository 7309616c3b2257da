"""What is measured: a built-in workload, or the user's ``FILE.py:make_step``."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import BadStepFile
from gpugap.core.step import Step
from gpugap.frameworks import DISTRIBUTIONS
from gpugap.workloads import workload

_EXAMPLE = "define make_step(batch_size, device) in it and name it as FILE.py:make_step"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can be measured.

    Attributes:
        name: for the cell: ``conv6@32``, ``train.py:make_step``.
        path: the user's file; None for a built-in workload.
        function: the factory in it; empty for a built-in workload.
        framework: the framework it is written for; None when any will do.
        digest: short digest of the file, so that edited code is another cell; empty for a built-in workload.
        takes_workers: whether the factory takes ``workers``, the number of processes of its loader.
    """

    name: str
    path: Path | None = None
    function: str = ""
    framework: str | None = None
    digest: str = ""
    takes_workers: bool = False


def parse_target(text: str) -> Target:
    """The target of a command-line argument; the user's file is read, not run.

    Raises:
        UnknownName: no such workload.
        BadStepFile: no such file or function, or not Python.
    """
    file, colon, function = text.rpartition(":")
    if not colon:
        file, function = text, "make_step"
    if not file.endswith(".py"):
        return Target(workload(text).name)
    path = Path(file).expanduser().resolve()
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source, str(path))
    except OSError as error:
        raise BadStepFile(f"cannot read {file}: {error.strerror}", "check the path") from error
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise BadStepFile(
            f"{file}{line} is not valid Python: {getattr(error, 'msg', error)}", "correct the file"
        ) from error
    if function not in _names(tree):
        raise BadStepFile(f"{file} defines no {function}", _EXAMPLE)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    return Target(f"{path.name}:{function}", path, function, _framework(tree), digest, _takes_workers(tree, function))


def _takes_workers(tree: ast.Module, function: str) -> bool:
    """Whether a function of the module has an argument of that name."""
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    arguments = [argument for node in found for argument in (*node.args.args, *node.args.kwonlyargs)]
    return any(argument.arg == "workers" for argument in arguments)


def _names(tree: ast.Module) -> set[str]:
    """Names bound at the top level of a module."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return found


def _framework(tree: ast.Module) -> str:
    """The framework a module imports anywhere; ``null`` (plain Python) without one."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.split(".")[0])
    return next((name for name in DISTRIBUTIONS if name in modules), "null")


def load_step(target: Target, cell: Cell, workers: int | None = None) -> Step:
    """Runs the user's file and its factory in this process.

    Args:
        target: the file.
        cell: batch, device and mode.
        workers: given to the factory as well; None where it is to take its own default.

    Raises:
        BadStepFile: the factory returns something that is no step, or a step of another mode.
    """
    more = {} if workers is None else {"workers": workers}
    return as_step(load_factory(target)(cell.batch, cell.device, **more), cell.mode, target.name)


def load_factory(target: Target) -> Callable[..., Any]:
    """Runs the user's file in this process; its factory, which like the file finds no command line but its own name."""
    assert target.path is not None
    sys.path.insert(0, str(target.path.parent))
    spec = importlib.util.spec_from_file_location(target.path.stem, target.path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[target.path.stem] = module
    path = str(target.path)
    with _command_line(path):
        spec.loader.exec_module(module)
    factory: Callable[..., Any] = getattr(module, target.function)

    @functools.wraps(factory)
    def make(*arguments: Any, **named: Any) -> Any:
        _check_call(target, factory, arguments, named)
        with _command_line(path):
            return factory(*arguments, **named)

    return make


def _check_call(
    target: Target, factory: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Refuses a factory that does not take what it is given.

    Raises:
        BadStepFile: says what is wrong.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # of a builtin
        return
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        message = f"{target.name} cannot be called with a batch size and a device: {error}"
        raise BadStepFile(message, f"write it as {target.function}(batch_size, device)") from error


@contextlib.contextmanager
def _command_line(*words: str) -> Iterator[None]:
    """Puts a command line in place of gpugap's, whose words an ``argparse`` of the user's would take for its own."""
    kept, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = kept


def as_step(made: Step | Callable[[], Any], mode: str, name: str) -> Step:
    """A step as it is, or a bare callable as a step.

    Raises:
        BadStepFile: neither, or a step of another mode than asked for.
    """
    if isinstance(made, Step):
        if made.mode != mode:
            raise BadStepFile(f"{name} returned a Step for {made.mode}, asked for {mode}", f"use --mode {made.mode}")
        return made
    if callable(made):
        return Step(models=(), run=lambda _: made(), mode=mode)
    raise BadStepFile(f"{name} returned {type(made).__name__}, not a Step or a callable", "return gpugap.Step(...)")
