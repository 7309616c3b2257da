"""What a prediction costs and says: ours beside torch-kitsune (memory) and the data-sheet roofline (time).

Run by ``make bench``; exit status 1 when the aim is missed. Nothing here is measured on a GPU: answers stand side by
side, they are not scored (``make validate`` does that). A peer that is not installed is left out and named. Imports
are not counted; a trace is at two batch sizes, from which every other follows.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable
from typing import Any

from gpugap.catalog import gpu, gpus
from gpugap.core.units import gibibytes, seconds
from gpugap.explain.crossover import CpuTimes
from gpugap.frameworks.torch.nets import BUILDERS
from gpugap.frameworks.torch.trace.wish import Wish
from gpugap.measure.rates import host_rates
from gpugap.study.fit import fit_traced, target_of
from gpugap.study.predict import Asked, forecast
from gpugap.study.tracing import Tracer
from gpugap.workloads import workload

AIM_ALL_S = 1.0
"""All GPUs of the catalog for one traced step; CPU time, which a busy neighbor cannot pull."""
STEPS = (
    ("conv6@32", 128),
    ("vgg16@32", 128),
    ("resnet18@32", 128),
    ("cyclegan@256", 1),
    ("gpt2@1024", 8),
    ("vit@224", 32),
)
GPU = "t4"


def timed(body: Callable[[], Any]) -> tuple[Any, float]:
    """What a body returns, and its seconds."""
    begin = time.perf_counter()
    return body(), time.perf_counter() - begin


def kitsune(name: str, batch: int, optimizer: str) -> str:
    """The peer's answer on a training step in fp32, and its seconds; building the network is not counted."""
    try:
        from kitsune.predict import predict_memory
    except ImportError:
        return "not installed: pip install torch-kitsune==0.7.0"
    spec = workload(name)
    models = BUILDERS[spec.family](spec)
    if len(models) > 1:
        return f"takes one model, and this step has {len(models)}"
    shape = (spec.image_size,) if spec.vocabulary else spec.input_shape
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # tracebacks of what it then estimates from parameters alone
            found, took_s = timed(lambda: predict_memory(models[0], shape, batch, optimizer=optimizer, gpu=GPU))
    except Exception as error:  # noqa: BLE001 - a peer's failure is its answer
        return f"{type(error).__name__}: {error}"
    return f"{gibibytes(found.total_bytes)} in {took_s:.2f} s"


def beside(name: str, batch: int, own: Any) -> None:
    """Prints the answers on one step."""
    tracer, wish, target = Tracer(name, "train"), Wish(batch), gpu(GPU)
    traced, trace_s = timed(lambda: tracer.trace(wish))
    fits, memory_s = timed(lambda: fit_traced(tracer, wish, [target_of(target)], with_savings=False))
    ours, time_s = timed(lambda: forecast(tracer, wish, [target], Asked(), own)[GPU])
    sheet, sheet_s = timed(lambda: forecast(tracer, wish, [target], Asked(method="roofline"), own)[GPU])
    memory, step = fits[GPU].memory.device, ours.step_time
    print(f"{name} training, batch {batch}, fp32, {target.name}: traced in {trace_s:.1f} s")
    print(f"  memory  gpugap         {_span(memory, gibibytes)} in {memory_s:.2f} s")
    print(f"          torch-kitsune  {kitsune(name, batch, traced.first.optimizer.partition(' ')[0].lower())}")
    print(f"  time    gpugap         {_span(step, seconds)} in {time_s:.2f} s")
    print(f"          roofline       {seconds(sheet.step_time.value)} in {sheet_s:.2f} s")


def _span(found: Any, written: Callable[[float | None], str]) -> str:
    return f"{written(found.value)} ({written(found.low)} - {written(found.high)})"


def every_gpu(own: Any) -> float:
    """Prints how long all GPUs of the catalog take for one traced step; CPU seconds."""
    tracer, wish = Tracer("resnet18@224", "train"), Wish(32)
    tracer.trace(wish)
    forecast(tracer, wish, [gpu(GPU)], Asked(), own)
    begin = time.process_time()
    found = forecast(tracer, wish, gpus(), Asked(skip_unsupported=True), own)
    took_s = time.process_time() - begin
    print(f"{len(found)} GPUs for one traced resnet18@224: {took_s:.2f} s, aim <= {AIM_ALL_S:.0f}")
    print(f"  left out, as the catalog lacks facts: {len(found.left_out)}")
    return took_s


def main() -> None:
    """Prints the answers side by side, then the aim."""
    own = CpuTimes(host_rates())
    for name, batch in STEPS:
        beside(name, batch, own)
    sys.exit(every_gpu(own) > AIM_ALL_S)


if __name__ == "__main__":
    main()
