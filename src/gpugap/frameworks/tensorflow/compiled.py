"""What TensorFlow made of a step: graphs traced, and kernels launched."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gpugap.frameworks.hlo import counted
from gpugap.frameworks.tensorflow.start import context, func_graph, op_callbacks

if TYPE_CHECKING:
    from gpugap.frameworks.tensorflow.step import Body
    from gpugap.frameworks.tensorflow.training import Function

_IDLE = {
    "_Arg", "_Retval", "_DeviceArg", "_DeviceRetval", "_Send", "_Recv", "_HostSend", "_HostRecv", "Const", "NoOp",
    "_EagerConst", "ReadVariableOp", "AssignVariableOp", "VarHandleOp", "Identity", "IdentityN", "Reshape", "Shape",
    "ShapeN", "ExpandDims", "Squeeze", "StopGradient", "EnsureShape", "TemporaryVariable", "DestroyTemporaryVariable",
}  # fmt: skip
"""Operations that compute nothing: arguments, constants, handing values over, other shapes of the same values."""

_FUSED = re.compile(r"_(?:Mkl(?:Native)?)?(?:Fused(?!BatchNorm(?:Grad)?V)|PadWith|\w+WithBias)")
"""How operations are called that TensorFlow's graph optimizer, or its oneDNN pass, makes of several.

``FusedBatchNormV3`` is one from the start, as PyTorch's batch norm is.
"""


class Traces:
    """Counts the graphs that TensorFlow traces in this process, and the time it takes.

    Attributes:
        count: graphs so far; those of branches and of functions inside another one are part of it.
        seconds: spent on them.
        compile_s: spent on optimizing and compiling them; None while nobody knows.
    """

    def __init__(self) -> None:
        self.count, self.seconds, self._depth = 0, 0.0, 0
        self.compile_s: float | None = None

    def note_compiling(self, seconds: float) -> None:
        """Adds the time of one compilation, as far as it can be told from the outside."""
        self.compile_s = (self.compile_s or 0.0) + max(0.0, seconds)

    def around(self, trace: Callable[..., Any]) -> Callable[..., Any]:
        """TensorFlow's tracing function, counted."""

        def counted(*arguments: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            self._depth += 1
            try:
                return trace(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.count += 1
                    self.seconds += time.perf_counter() - begin

        counted.traces = self  # type: ignore[attr-defined]
        return counted


def traces() -> Traces:
    """The count of this process, which begins with the first call.

    TensorFlow itself counts a function at a time, and a step may bring functions of its own; so the one place through
    which every trace goes is watched.
    """
    found: Traces | None = getattr(func_graph.func_graph_from_py_func, "traces", None)
    if found is None:
        found = Traces()
        func_graph.func_graph_from_py_func = found.around(func_graph.func_graph_from_py_func)
    return found


def kernels(body: Body) -> dict[str, Any]:
    """Kernels one run launches; the step is run once for it.

    Args:
        body: has run before. Under XLA its functions are compiled once more, to be read.
    """
    if body.execution == "xla":
        return _of_programs(body)
    run: list[str] = []

    def note(kind: Any, *_: Any, **__: Any) -> None:
        run.append(kind.decode() if isinstance(kind, bytes) else kind)

    context.context().clear_kernel_cache()  # graphs are told when they are optimized, which happens once
    context.enable_graph_collection()
    op_callbacks.add_op_callback(note)
    try:
        body()
    finally:
        op_callbacks.remove_op_callback(note)
        graphs = context.export_run_metadata().function_graphs
        context.disable_graph_collection()
    if any(name.startswith("__") for name in run):
        names = [node.op for graph in graphs for part in graph.partition_graphs for node in part.node]
        return _counted(names, "operations of the optimized graphs")
    return _counted(run, "operations run one by one")


def _of_programs(body: Body) -> dict[str, Any]:
    """Instructions of XLA's programs; each function is asked with the inputs it gets in a step."""
    inputs: dict[int, Sequence[Any]] = {}

    def noted(number: int, function: Function) -> Function:
        def once(*given: Any) -> Any:
            inputs[number] = given
            return function(*given)

        return once

    if body.training is not None:
        body.training.joined([noted(number, function) for number, function in enumerate(body.functions)])()
    return counted(
        [
            function.experimental_get_compiler_ir(*inputs.get(number, ()))(stage="optimized_hlo")
            for number, function in enumerate(body.functions)
        ]
    )


def _counted(names: Sequence[str], source: str) -> dict[str, Any]:
    launched = [name for name in names if name not in _IDLE]
    return {"kernels": len(launched), "fused": sum(bool(_FUSED.match(name)) for name in launched), "source": source}
