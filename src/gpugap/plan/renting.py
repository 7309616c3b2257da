"""Options of machines that cost by the hour: on demand and spot."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date as day

from gpugap.catalog import Offer
from gpugap.catalog.billing import billed_s, billing
from gpugap.core.estimate import Estimate
from gpugap.plan.footprint import carbon, energy
from gpugap.plan.option import Ground, Option, OptionKind, Worker
from gpugap.plan.run import spot_time, steady_time
from gpugap.predict.power import host_power, machine_power
from gpugap.stats.propagation import ends, product, scaled, total

PRICE_DRIFT = (0.6, 1.15)
"""What a price older than half a year may have become: p4d.24xlarge fell from 32.77 to 21.96 USD/h within 2025; some
rose, as H100s on marketplaces did."""
MONTH_S = 30.44 * 86400
_EDGE = 0.05
CHEAPEST = 3
"""Offers that are kept of one device, count and kind; and the one with the least carbon."""


def rented(ground: Ground) -> Iterator[Option]:
    """Options of all offers whose device can do the step; the cheapest of each kind, and the cleanest."""
    by_device: dict[tuple[str, int], list[Offer]] = {}
    for offer in ground.offers:
        by_device.setdefault((offer.gpu, offer.gpu_count), []).append(offer)
    for worker in ground.workers:
        if worker.gpu is None:
            continue
        found = by_device.get((worker.gpu.key, worker.count), ())
        for spot in (False, True):
            options = [_option(ground, worker, offer, spot=spot) for offer in found if _price(offer, spot)]
            yield from _kept([one for one in options if ground.wish.only.lower() in one.id.lower()])


def _price(offer: Offer, spot: bool) -> float | None:
    return offer.spot_usd_per_h if spot else offer.usd_per_h


def _kept(options: Sequence[Option]) -> list[Option]:
    by_cost = sorted(options, key=lambda one: (one.cost.value or 0.0, one.where))
    kept: list[Option] = []
    for one in by_cost:
        if len(kept) < CHEAPEST and one.where not in {other.where for other in kept}:
            kept.append(one)
    known = [one for one in by_cost if one.carbon.value is not None]
    cleanest = min(known, key=lambda one: one.carbon.value or 0.0, default=None)
    if cleanest is not None and cleanest.where not in {other.where for other in kept}:
        kept.append(cleanest)
    return kept


def price_of(offer: Offer, ground: Ground, *, spot: bool) -> Estimate:
    """The price of an hour, ``USD/h``; of a stale one with an interval of what it may have become."""
    told = offer.price(spot=spot, today=ground.today)
    assert told.value is not None
    told = scaled(told, ground.factor("price"), told.unit, told.method)
    if not offer.is_stale(ground.today) or told.value is None:
        return told
    low, high = (factor * told.value for factor in PRICE_DRIFT)
    return replace(told, low=low, high=high, method=f"{told.method}; what it may have become")


def _option(ground: Ground, worker: Worker, offer: Offer, *, spot: bool) -> Option:
    price = price_of(offer, ground, spot=spot)
    found = spot_time(ground.run, worker.step_time) if spot else None
    time = found.time if found else steady_time(ground.run, worker.step_time, "cloud")
    host = host_power("cloud", worker.count, offer.vcpus, offer.ram_gib)
    used = energy(machine_power(worker.power, host, "cloud"), time)
    kind: OptionKind = "spot" if spot else "on-demand"
    return Option(
        kind=kind,
        worker=worker,
        where=", ".join(part for part in (offer.provider, offer.instance, offer.region) if part),
        provider=offer.provider,
        region=offer.region,
        time=time,
        busy=time,
        cost=total(
            [_paid(time, price, offer.provider), _stored(ground, time)], "USD", f"{time.method}; {price.method}"
        ),
        energy=used,
        carbon=carbon(used, _intensity(ground, offer)),
        price=price,
        dated=offer.dated(ground.today),
        interruptions=found.interruptions if found else None,
        segment_s=found.segment_s if found else None,
        notes=_notes(offer),
    )


def _notes(offer: Offer) -> tuple[str, ...]:
    rule = billing(offer.provider)
    counted = f"billed by {rule.increment_s:g} s" if rule else "billed by the started hour, as its rule is not known"
    return tuple(part for part in (counted, offer.notes) if part)


def _paid(time: Estimate, price: Estimate, provider: str) -> Estimate:
    """Machine hours as they are billed, times the price."""
    if time.value is None:
        return time
    value, low, high = (billed_s(end, provider) / 3600 for end in ends(time))
    hours = replace(time, value=value, low=low, high=high, unit="h")
    return product([hours, price], "USD", f"{time.method}; {price.method}")


def _stored(ground: Ground, time: Estimate) -> Estimate:
    """Data and checkpoints on a network disk while it runs."""
    saved = ground.run.checkpoint_bytes
    size = ground.run.data_bytes + 2 * ((saved.value or 0.0) if saved else 0.0)
    if size == 0 or time.value is None:
        return Estimate(0.0, None, None, None, "USD", "published", "nothing stored", None)
    price = ground.wish.storage_usd_per_gb_month
    return product([price, time], "USD", f"storage: {price.method}", scale=size / 1e9 / MONTH_S)


def _intensity(ground: Ground, offer: Offer) -> Estimate:
    return ground.intensities.get(ground.regions.get((offer.provider, offer.region), ""), ground.anywhere)


def price_today(offers: Sequence[Offer], key: str, today: day | None = None) -> Estimate:
    """What an hour of one GPU costs on demand today, ``USD/h``: old offers reach as far as prices may have moved.

    Args:
        offers: of any GPU.
        key: of the GPU.
        today: the present day.
    """
    span = price_span(offers, key, today=today)
    priced = [one for one in offers if one.gpu == key and one.usd_per_gpu_h]
    if span.value is None or not any(one.is_stale(today) for one in priced):
        return span
    low, high = (factor * end for factor, end in zip(PRICE_DRIFT, span.ends, strict=True))
    return replace(span, low=low, high=high, method=f"{span.method}, and what old ones may have become")


def price_span(offers: Sequence[Offer], key: str, *, spot: bool = False, today: day | None = None) -> Estimate:
    """What an hour of one GPU costs, ``USD/h``: the median offer, from the 5 % to the 95 % one.

    Args:
        offers: of any GPU.
        key: of the GPU.
        spot: of machines that may be taken away.
        today: the present day.
    """
    mine = [one for one in offers if one.gpu == key]
    priced = [(price, one) for one in mine if (price := one.spot_usd_per_gpu_h if spot else one.usd_per_gpu_h)]
    how = "spot" if spot else "on-demand"
    if not priced:
        return Estimate(None, None, None, None, "USD/h", "published", f"no {how} offer of {key} is known", None)
    prices = sorted(price for price, _ in priced)
    low, high = (prices[round(edge * (len(prices) - 1))] for edge in (_EDGE, 1 - _EDGE))
    dates = sorted({one.date for _, one in priced})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    stale = " (stale)" if all(one.is_stale(today) for _, one in priced) else ""
    told = f"median of {len(prices)} {how} offers of {span}{stale}, 5 to 95 %"
    return Estimate(statistics.median(prices), low, high, None, "USD/h", "published", told, None)
