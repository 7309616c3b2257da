"""A whole step captured as one CUDA graph: kernels are launched together, without Python between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugap.core.setting import BEFORE_CAPTURE
from gpugap.core.step import Step


def captured(cuda: Any, step: Step, body: Callable[[], Any]) -> Callable[[], Any]:
    """The body as a replay of its graph; shapes and addresses stay those of the capture.

    Optimizers that keep their step count on the host are told to keep it on the device.

    Args:
        cuda: the namespace ``torch.cuda`` or a fake of it.
        step: whose optimizers are prepared.
        body: runs the step once; what it does with the host, such as reading a loss, makes the capture fail.
    """
    for optimizer in step.optimizer_list:
        for group in getattr(optimizer, "param_groups", ()):
            if "capturable" in group:
                group["capturable"] = True
    beside = cuda.Stream()
    beside.wait_stream(cuda.current_stream())
    with cuda.stream(beside):
        for _ in range(BEFORE_CAPTURE):
            body()
    cuda.current_stream().wait_stream(beside)
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        result = body()

    def replay() -> Any:
        graph.replay()
        return result

    return replay
