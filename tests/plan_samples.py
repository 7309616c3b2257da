"""A ground to plan on, without a trace: made workers, real offers, fixed day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from gpugap.catalog import gpu, load
from gpugap.core.estimate import Estimate
from gpugap.plan.api import Plan, Subject, make_plan
from gpugap.plan.option import Ground, Wish, Worker
from gpugap.plan.run import Run
from gpugap.predict.power import cpu_power, device_power
from gpugap.study.ground import Place, ground_of

TODAY = date(2026, 11, 29)
STEPS_S = {"t4": 0.2, "rtx-3090": 0.05, "a100-sxm-40gb": 0.03, "rtx-3060-12gb": 0.1, "p100-pcie": 0.15}


def seconds(value: float, spread: float = 1.25, kind: str = "predicted") -> Estimate:
    return Estimate(value, value / spread, value * spread, 0.9, "s", kind, "made for a test", None)


def gpu_worker(key: str, step_s: float, count: int = 1) -> Worker:
    row = gpu(key)
    power = device_power(row.tdp_w, {"compute": step_s}, count=count)
    return Worker(row.key, row.name, row, count, seconds(step_s), "seen", power, "compute")


def cpu_worker(step_s: float = 2.0) -> Worker:
    time = seconds(step_s, 1.05, "measured")
    return Worker("cpu fp32 default", "this CPU, fp32 default", None, 1, time, "measured", cpu_power(None, 2))


def make_ground(run: Run | None = None, *, country: str = "KE", price: float | None = 0.2, **wish) -> Ground:
    saved = Estimate(1e8, None, None, None, "B", "predicted", "made for a test", None)
    run = run or Run(90, 50_000, 128, checkpoint_bytes=saved)
    own = wish.pop("own", frozenset(("cpu", "rtx-3060-12gb")))
    ground = ground_of(load(), run, Wish(own=own, **wish), Place(country, price), TODAY)
    workers = (*(gpu_worker(key, step_s) for key, step_s in STEPS_S.items()), cpu_worker())
    return replace(ground, workers=workers)


def made_plan(**changes) -> Plan:
    return make_plan(Subject("resnet18@32", "train", "fp32"), make_ground(**changes))
