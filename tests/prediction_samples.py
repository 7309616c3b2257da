"""Predictions made up for tests of what is said and drawn of them: a roofline with launches, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpugap.catalog import Gpu, gpu
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import Op, OpList, Storage, Traced, traced
from gpugap.explain.crossover import CpuTimes
from gpugap.measure.rates import HostRates
from gpugap.predict.prediction import OpTime, Prediction
from gpugap.study.predict import Asked, Training, forecast

LAUNCH_S, HOST_S = 4e-6, 4e-5
RATES = HostRates(flop_per_s=1e11, byte_per_s=2e10, cached_byte_per_s=1e11, dispatch_s=1e-6, threads=2)
HALF = 1.2
"""Ends of the intervals, as a factor."""


def estimate(value: float, half: float = HALF, kind="predicted", unit: str = "s", level: float = 0.9) -> Estimate:
    return Estimate(value, value / half, value * half, level, unit, kind, "made up", 5)


def conv(batch: int, module: str, phase="forward", channels: int = 64) -> Op:
    flops = 2 * batch * 32 * 32 * channels * channels * 9
    moved = 4 * (2 * batch * 32 * 32 * channels + 9 * channels * channels)
    return Op("aten.convolution", "conv", phase, module, "train.py:3", "float32", (), flops, moved // 2, moved // 2)


def plain(batch: int, module: str, kind: str, phase="forward") -> Op:
    size = 4 * batch * 32 * 32 * 64
    return Op(f"aten.{kind}", kind, phase, module, "", "float32", (("elements", size // 4),), 0, size, size)


def oplist(batch: int = 32, name: str = "net", mode: str = "train") -> OpList:
    """A small network: two blocks of convolution, norm and activation, their backward passes, an optimizer."""
    ops = []
    for block in ("features.0", "features.1"):
        ops += [conv(batch, f"{block}.conv"), plain(batch, f"{block}.norm", "norm")]
        ops += [plain(batch, f"{block}.act", "elementwise")]
    if mode == "train":
        ops += [conv(batch, f"features.{n}.conv", "backward", 90) for n in (1, 0)]
        ops += [Op("aten._foreach_add", "optimizer", "optimizer", "", "", "float32", (), 0, 4 * 10**5, 2 * 10**5)]
    storages = (Storage(4 * batch * 3 * 32 * 32, "input", -1, None),)
    return OpList(name, mode, batch, "fp32", "SGD (foreach)" if mode == "train" else "", 10**5, tuple(ops), storages)


def on_gpu(
    ops: OpList,
    device: Gpu,
    host: object = None,
    *,
    method="model",
    copy_bytes: int = 0,
    channels_last=False,
    calibration=None,
) -> Prediction:
    """Stands in for the latency model: parts sum to the value."""
    peak, bandwidth = device.peak_flop_per_s("fp32"), device.memory_bandwidth_bytes_per_s
    found = []
    for op in ops.ops:
        compute_s, move_s = op.flops / (0.5 * peak), (op.read_bytes + op.written_bytes) / (0.8 * bandwidth)
        time_s = max(compute_s, move_s, LAUNCH_S)
        bound = "launch" if time_s == LAUNCH_S else "compute" if compute_s > move_s else "bandwidth"
        moved = op.read_bytes + op.written_bytes
        found.append(OpTime(op.name, op.kind, op.phase, op.module, time_s, bound, op.flops, moved))
    scale = calibration.ratio if calibration else 1.0
    parts = {
        b: scale * math.fsum(op.time_s for op in found if op.bound == b) for b in ("compute", "bandwidth", "launch")
    }
    parts["host"] = max(0.0, HOST_S * len(found) - sum(parts.values()))
    parts["copy"] = copy_bytes / 1e10
    return Prediction(
        gpu_id=device.key,
        gpu_name=device.name,
        domain="seen" if device.key == "t4" else "unseen",
        method=method,
        workload=ops.name,
        mode=ops.mode,
        batch=ops.batch,
        precision=ops.precision,
        step_time=estimate(math.fsum(parts.values())),
        parts_s=parts,
        bound=max(parts, key=lambda part: parts[part]),
        attention_kernel="",
        ops=tuple(found),
        peak_flop_per_s=peak,
        bandwidth_byte_per_s=bandwidth,
        assumed={"host": "made up"},
    )


def predicted(name: str = "t4", batch: int = 32, **fields) -> Prediction:
    return on_gpu(oplist(batch, **fields), gpu(name))


class FakeTracer:
    """Traces nothing: the network above."""

    name = "net"

    def __init__(self, step: object = None, mode: str = "train") -> None:
        self.mode = mode
        self.calls: list = []

    def trace(self, wish) -> Traced:
        self.calls.append(wish)
        first, second = (oplist(batch, mode=self.mode) for batch in (wish.batch, 2 * wish.batch))
        return traced(first, second)


def forecasts(names: Sequence[str] = ("t4", "rtx-4090"), batch: int = 32, measured=None, **asked):
    """What `gpugap.predict` would say of the network above."""
    from gpugap.frameworks.torch.trace.wish import Wish

    training = Training(asked.pop("samples", None), asked.pop("epochs", None))
    own = CpuTimes(RATES, measured or {}, "fp32 default" if measured else "")
    wish = Wish(batch)
    return forecast(FakeTracer(), wish, [gpu(name) for name in names], Asked(training=training, **asked), own)
