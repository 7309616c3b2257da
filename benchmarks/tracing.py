"""What a trace costs: beside a plain fake-tensor pass of the same step, and for a transformer of 7 billion parameters.

Run by ``make bench``; exit status 1 when an aim is missed. Every trial is a process of its own, as imports, caches and
the peak of resident memory are a process's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

AIM_RATIO, AIM_LARGE_S, AIM_LARGE_BYTES = 2.5, 60.0, 2e9
STEPS = (("resnet18@224", 32), ("gpt2@1024", 8), ("vit@224", 32))
TRIALS = 3

PLAIN = """
import json, time
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from gpugap.frameworks.torch.trace.optimizers import as_on_gpu
from gpugap.frameworks.torch.trace.sources import of_workload
from gpugap.frameworks.torch.trace.cuda import Attention, kernels_as_on_cuda
from gpugap.workloads import workload

class Count(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return 2.0 if func is torch.ops.aten._local_scalar_dense.default else func(*args, **(kwargs or {}))

begin = time.perf_counter()
with FakeTensorMode() as fake, kernels_as_on_cuda(Attention((8, 0))):
    step = of_workload(workload("NAME"), "train").build(BATCH, fake)
    step.models.train()
    as_on_gpu(step.optimizers)
    inputs, targets = step.batch
    loss = step.loss(step.models(inputs), targets)
    loss.backward()
    with Count():
        step.optimizers.step()
print(json.dumps(time.perf_counter() - begin))
"""
TRACED = """
import json, time
from gpugap.frameworks.torch.trace import trace
from gpugap.frameworks.torch.trace.sources import of_workload
from gpugap.frameworks.torch.trace.wish import Wish
from gpugap.workloads import workload

begin = time.perf_counter()
trace(of_workload(workload("NAME"), "train"), Wish(BATCH))
print(json.dumps(time.perf_counter() - begin))
"""
LARGE = """
import json, resource, time
import torch
from gpugap.core.step import Step
from gpugap.frameworks.torch.nets.transformer import GPT2, language_loss
from gpugap.frameworks.torch.trace import trace
from gpugap.frameworks.torch.trace.sources import of_factory
from gpugap.frameworks.torch.trace.wish import Wish

def make(batch, device):
    model = GPT2((4096, 32, 34), 32000, 4096)  # 34 blocks of 201 M parameters
    tokens = torch.zeros((batch, 4096), dtype=torch.int64)
    return Step(model, (tokens, tokens), language_loss, torch.optim.AdamW(model.parameters()))

begin = time.perf_counter()
found = trace(of_factory("large", make), Wish(1, precision="bf16")).first
seconds = time.perf_counter() - begin
print(json.dumps([seconds, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, found.parameters]))
"""


def answer(script: str, name: str = "", batch: int = 0) -> object:
    """What a script prints, in a process of its own."""
    text = script.replace("NAME", name).replace("BATCH", str(batch))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def ratio(name: str, batch: int) -> tuple[float, float, float]:
    """Median seconds of a plain pass and of a trace, and the median of the ratios, trials side by side."""
    found = [(float(answer(PLAIN, name, batch)), float(answer(TRACED, name, batch))) for _ in range(TRIALS)]  # type: ignore[arg-type]
    plain, traced = (statistics.median(times) for times in zip(*found, strict=True))
    return plain, traced, statistics.median(b / a for a, b in found)


def main() -> None:
    """Prints one line a figure."""
    missed = False
    for name, batch in STEPS:
        plain, traced, times = ratio(name, batch)
        missed |= times > AIM_RATIO
        print(
            f"{name} batch {batch}: traced at two batches / one plain pass {times:.2f} ({traced:.1f} / {plain:.1f} s),"
            f" aim <= {AIM_RATIO}"
        )
    seconds, memory_bytes, parameters = answer(LARGE)  # type: ignore[misc]
    missed |= seconds > AIM_LARGE_S or memory_bytes > AIM_LARGE_BYTES
    print(
        f"{parameters / 1e9:.2f} billion parameters with AdamW: {seconds:.1f} s, aim <= {AIM_LARGE_S:.0f} s;"
        f" {memory_bytes / 1e9:.2f} GB resident, aim <= {AIM_LARGE_BYTES / 1e9:.0f} GB"
    )
    sys.exit(missed)


if __name__ == "__main__":
    main()
