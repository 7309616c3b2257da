"""Series of accelerators: every device, the record line, the median; from the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gpugap.catalog import Gpu, gpus
from gpugap.trends.dates import last_day
from gpugap.trends.series import Point, Series, make_series, median_line, published, record_line

CLASSES = {"datacenter": "data-center accelerators", "consumer": "consumer cards"}
_WHOLE_MODULE = ("gh200", "gb200", "gb300")
"""Their power is that of a module with a CPU on it."""


def _power(gpu: Gpu) -> float | None:
    return None if gpu.key.startswith(_WHOLE_MODULE) else gpu.tdp_w


QUANTITIES: Mapping[str, tuple[str, str, Callable[[Gpu], float | None]]] = {
    "memory": ("memory", "B", lambda gpu: float(gpu.memory_bytes)),
    "bandwidth": ("memory bandwidth", "B/s", lambda gpu: gpu.memory_bandwidth_bytes_per_s),
    "fp32": ("peak fp32 rate", "FLOP/s", lambda gpu: gpu.peak_flop_per_s("fp32")),
    "fp16": (
        "peak fp16 rate of matrix units",
        "FLOP/s",
        lambda gpu: gpu.peak_flop_per_s("fp16") if gpu.matrix_units else None,
    ),
    "power": ("power limit", "W", _power),
    "price": ("launch price", "USD", lambda gpu: gpu.launch_price_usd),
}
"""Title, unit and reader of each quantity."""

LINES = {"": "every device", "-record": "record line", "-median": "median of each year"}
_TOO_FEW = {("datacenter", "price", "-median")}
"""No year has three prices."""
_SOURCE = "gpugap's catalog of accelerators (vendors, Epoch AI CC BY 4.0, TechPowerUp); a source a device"


def hardware_ids() -> Iterator[tuple[str, str]]:
    """Id and title of every series of hardware."""
    for group, devices in CLASSES.items():
        for quantity, (title, _, _) in QUANTITIES.items():
            for line, how in LINES.items():
                if (group, quantity, line) not in _TOO_FEW:
                    yield f"{group}-{quantity}{line}", f"{title} of {devices}, {how}"


def hardware_series(id: str) -> Series | None:
    """The series of that name; None where it is none of hardware.

    Devices of low confidence - announced, or contradicted - are left out.
    """
    title = dict(hardware_ids()).get(id)
    if title is None:
        return None
    group, quantity, line = (*id.split("-"), "")[:3]
    _, unit, read = QUANTITIES[quantity]
    points = []
    for gpu in gpus(category=group):
        value = read(gpu)
        if value is not None and gpu.confidence != "low":
            points.append(Point(last_day(gpu.release_date, gpu.key), published(value, unit, gpu.source), gpu.name))
    whole = make_series(id, title, unit, points, _SOURCE)
    top = f"{group}-{quantity}-record"
    record = record_line(whole, top, dict(hardware_ids())[top])
    if line == "record":
        return record
    return replace(whole if line == "" else median_line(whole, id, title), ceiling=record)
