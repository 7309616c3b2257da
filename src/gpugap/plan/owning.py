"""Options of machines that are there, that are bought, or that cost nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from gpugap.catalog import FreeTier
from gpugap.core.estimate import Estimate
from gpugap.plan.calendar import DAY_S, Session, elapsed_s, limits_of, sessions
from gpugap.plan.footprint import carbon, electricity_cost, energy
from gpugap.plan.option import Excluded, Ground, Option, Worker
from gpugap.plan.run import save_time, start_time, steady_time, work_time
from gpugap.predict.power import host_power, machine_power
from gpugap.stats.propagation import assumed, ends, product, scaled, total

YEAR_S = 365.25 * DAY_S
STREET = (0.6, 1.0, 1.8)
"""What a board costs over its launch price: used and old at the low end, short supply at the high one."""
BOUGHT = ("consumer", "workstation")
"""Categories of boards that go into a desktop."""
_FREE = Estimate(None, None, None, None, "USD", "published", "nothing is paid but the electricity", None)


def owned(ground: Ground) -> Iterator[Option]:
    """Options of machines the reader has."""
    for worker in ground.workers:
        key = "cpu" if worker.gpu is None else worker.gpu.key
        if key in ground.wish.own and worker.count == 1:
            yield _here(ground, worker)


def _here(ground: Ground, worker: Worker) -> Option:
    time = steady_time(ground.run, worker.step_time, "own")
    used = _used(worker, time)
    return Option(
        kind="own",
        worker=worker,
        where="here",
        provider="",
        region="",
        time=time,
        busy=time,
        cost=electricity_cost(used, ground.electricity),
        energy=used,
        carbon=carbon(used, ground.home),
        price=_FREE,
        notes=()
        if ground.electricity.value is not None
        else ("cost unknown: give a country or a price of electricity",),
    )


def _used(worker: Worker, time: Estimate) -> Estimate:
    if worker.gpu is None:
        idle = Estimate(0.0, None, None, None, "W", "published", "power of the whole machine", None)
        return energy(machine_power(worker.power, idle, "own"), time)
    return energy(machine_power(worker.power, host_power("own", worker.count), "own"), time)


def bought(ground: Ground) -> Iterator[Option]:
    """Options of boards for a desktop with a known launch price: their share of life, and electricity."""
    for worker in ground.workers:
        gpu = worker.gpu
        if gpu is None or worker.count > 1 or gpu.key in ground.wish.own:
            continue
        if gpu.category in BOUGHT and gpu.launch_price_usd:
            yield _share(ground, worker)


def board_price(ground: Ground, worker: Worker) -> Estimate:
    """What a board and a desktop around it cost today, US dollars."""
    board = _board(ground, worker)
    return total([board, ground.wish.machine_usd], "USD", f"{board.method}, and a desktop")


def worn_price(ground: Ground, worker: Worker) -> Estimate:
    """What of that is lost over the life of the board, as it is sold then, US dollars."""
    board, lost = _board(ground, worker), ground.wish.lost_share
    worn = product([board, lost], "USD", f"{board.method}, {lost.method}")
    return total([worn, ground.wish.machine_usd], "USD", f"{worn.method}, and a desktop")


def _board(ground: Ground, worker: Worker) -> Estimate:
    gpu = worker.gpu
    assert gpu is not None and gpu.launch_price_usd is not None
    low, value, high = (factor * gpu.launch_price_usd * ground.factor("price") for factor in STREET)
    told = f"launch price USD {gpu.launch_price_usd:g} ({gpu.price_kind}, {gpu.released[:4]}), 0.6 to 1.8 times"
    return assumed(value, low, high, "USD", told)


def _share(ground: Ground, worker: Worker) -> Option:
    time = steady_time(ground.run, worker.step_time, "own")
    worn, life = worn_price(ground, worker), ground.wish.life_years
    busy_share = min(1.0, ground.wish.utilization * ground.factor("utilization"))
    told = f"share of a life of {life.value:g} years in which it is busy {busy_share:.0%} of the time"
    share = product(
        [worn, time, life], "USD", f"{told}; {worn.method}", scale=1 / (YEAR_S * busy_share), powers=[1, 1, -1]
    )
    used = _used(worker, time)
    power = electricity_cost(used, ground.electricity)
    cost = total([share, power], "USD", f"{told}; {power.method}")
    return Option(
        kind="buy",
        worker=worker,
        where="a desktop",
        provider="",
        region="",
        time=time,
        busy=time,
        cost=cost,
        energy=used,
        carbon=carbon(used, ground.home),
        price=board_price(ground, worker),
        dated=f"{worker.gpu.released} (launch)" if worker.gpu else "",
        notes=("making the board emits carbon too, which is not counted",),
    )


def free(ground: Ground) -> tuple[list[Option], list[Excluded]]:
    """Options of free notebooks, cut into sessions, and services that cannot do the run."""
    options: list[Option] = []
    excluded: list[Excluded] = []
    for tier in ground.tiers:
        fitting = [one for one in ground.workers if _suits(one, tier)]
        worker = max(fitting, key=lambda one: one.count, default=None)
        if not tier.trains:
            excluded.append(Excluded(tier.key, "limits", f"training is not possible there: {tier.limits}"))
        elif worker is not None:
            found = _notebook(ground, worker, tier)
            if found is None:
                excluded.append(
                    Excluded(tier.key, "limits", "no session is surely long enough, or it takes over ten years")
                )
            else:
                options.append(found)
    return options, excluded


def _suits(worker: Worker, tier: FreeTier) -> bool:
    """One GPU of the service's does the step; where it gives two, the other one is idle unless the plan shares."""
    return worker.gpu is not None and worker.gpu.key == tier.gpu and worker.count in (1, tier.gpu_count)


def _notebook(ground: Ground, worker: Worker, tier: FreeTier) -> Option | None:
    cuts = _cuts(ground, worker, tier)
    if cuts is None:
        return None
    (slow, likely, quick), work = cuts, work_time(ground.run, worker.step_time)
    told = f"{len(likely)} sessions; {tier.limits or 'limits of the service'}; {work.method}"
    time = assumed(elapsed_s(likely), min(map(elapsed_s, cuts)), max(map(elapsed_s, cuts)), "s", told)
    held = [sum(one.busy_s for one in found) for found in (likely, quick, slow)]
    busy = assumed(held[0], min(held), max(held), "s", told)
    host = host_power("notebook", tier.gpu_count, tier.vcpus, tier.ram_gib)
    used = energy(machine_power(worker.power, host, "notebook"), busy)
    notes = [tier.limits] if tier.limits else []
    if tier.gpu_count > worker.count:
        notes.append(f"gives {tier.gpu_count} GPUs, of which the plan uses {worker.count}")
    return Option(
        kind="free",
        worker=worker,
        where=tier.service,
        provider="",
        region="",
        time=time,
        busy=busy,
        cost=_months(tier, time),
        energy=used,
        carbon=carbon(used, ground.anywhere),
        price=tier.estimate(tier.usd_per_month, "USD", ground.today),
        dated=tier.dated(ground.today),
        sessions=tuple(likely),
        session_s=limits_of(tier).session_s,
        notes=tuple(notes),
    )


def _cuts(ground: Ground, worker: Worker, tier: FreeTier) -> tuple[list[Session], list[Session], list[Session]] | None:
    """Sessions at the slow, the likely and the quick end; None where it does not get through at one of them."""
    work = ends(work_time(ground.run, worker.step_time))
    start, save = ends(start_time(ground.run, "notebook")), ends(save_time(ground.run))
    found = [
        sessions(work[end], limits_of(tier, limit), start[end], save[end]) for end, limit in ((2, 0), (0, 1), (1, 2))
    ]
    slow, likely, quick = found
    return None if slow is None or likely is None or quick is None else (slow, likely, quick)


def _months(tier: FreeTier, time: Estimate) -> Estimate:
    """What the service costs for as long as the run takes."""
    if tier.usd_per_month == 0:
        told = f"free: {tier.source}, {tier.date}"
        return Estimate(0.0, None, None, None, "USD", "published", told, None)
    months = [math.ceil(end / (YEAR_S / 12)) for end in ends(time)]
    price = scaled(tier.estimate(1.0, "USD"), tier.usd_per_month, "USD", f"USD {tier.usd_per_month:g} a month")
    assert price.value is not None
    value, low, high = (count * price.value for count in months)
    return replace(price, value=value, low=low, high=high, method=f"{months[0]} months at {price.method}")
