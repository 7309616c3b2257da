"""Today's cloud prices through gpuhunt (extra ``live``): the only part of gpugap that uses the network, when asked."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date as day
from typing import Any

from gpugap.catalog.accelerators import Gpu
from gpugap.catalog.machine import match_gpu
from gpugap.catalog.names import candidates
from gpugap.catalog.prices import Offer
from gpugap.core.errors import MissingExtra, Offline

_SOURCE = "gpuhunt's published lists"
_NAMES = {
    "H100": "h100-sxm",
    "RTX6000": "quadro-rtx-6000",
    "v5litepod": "tpu-v5e",
    "P100": "p100-pcie",
    "GH200": "gh200",
}
"""gpuhunt's names that could be several devices, and the one that clouds rent out under them."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was found.

    Attributes:
        offers: one a machine, with both prices where both are known.
        unknown: how many offers were left out, by name of a device the catalog does not know.
        problems: what gpuhunt told of lists it could not read.
    """

    offers: tuple[Offer, ...]
    unknown: Mapping[str, int]
    problems: tuple[str, ...] = ()

    @property
    def providers(self) -> tuple[str, ...]:
        """Who offers."""
        return tuple(sorted({one.provider for one in self.offers}))

    @property
    def gpus(self) -> tuple[str, ...]:
        """What is offered."""
        return tuple(sorted({one.gpu for one in self.offers if one.gpu}))


def fetched(devices: Sequence[Gpu], today: day, hunt: Any = None) -> Fetched:
    """The offers in the price lists that gpuhunt publishes; marketplaces that need a key are not asked.

    Args:
        devices: accelerators that names are looked up in.
        today: date of the offers.
        hunt: the module ``gpuhunt``; tests give a fake.

    Raises:
        MissingExtra: gpuhunt is not installed.
        Offline: the lists cannot be reached.
    """
    hunt = _gpuhunt() if hunt is None else hunt
    with _listening() as problems:
        lists = hunt.Catalog(balance_resources=False, auto_reload=False)
        try:
            lists.load()
            items = lists.query()
        except (hunt.GPUHuntError, OSError) as error:
            raise Offline(
                f"gpuhunt's price lists cannot be reached: {error}", "connect, or keep what is here"
            ) from error
    return replace(offers_of(items, devices, today), problems=tuple(problems))


def offers_of(items: Iterable[Any], devices: Sequence[Gpu], today: day) -> Fetched:
    """The items of gpuhunt as offers: one a machine, its on-demand and spot items joined.

    Args:
        items: with the attributes of gpuhunt's ``CatalogItem``.
        devices: accelerators that names are looked up in.
        today: date of the offers.
    """
    machines: dict[tuple[Any, ...], dict[str, Any]] = {}
    unknown: Counter[str] = Counter()
    keys: dict[tuple[str, float], str | None] = {}
    for item in items:
        name, memory = (item.gpu_name or "", item.gpu_memory or 0.0) if item.gpu_count else ("", 0.0)
        if (name, memory) not in keys:
            keys[name, memory] = _key(name, memory, devices) if name else ""
        key = keys[name, memory]
        if key is None:
            unknown[f"{name} {memory:g} GB" if memory else name] += 1
        elif item.price and item.price > 0:
            what = (item.provider, item.instance_name, key, item.gpu_count, item.cpu, item.memory, item.location)
            price = "spot_usd_per_h" if item.spot else "usd_per_h"
            known = machines.setdefault(what, {})
            known[price] = min(item.price, known.get(price, item.price))
    stamp: dict[str, Any] = {"source": _SOURCE, "date": today.isoformat(), "confidence": "medium"}
    offers = (
        Offer(
            provider=provider,
            instance=instance,
            gpu=key,
            gpu_count=count,
            vcpus=int(vcpus) if vcpus else None,
            ram_gib=float(ram) if ram else None,
            region=region or "",
            **prices,
            **stamp,
        )
        for (provider, instance, key, count, vcpus, ram, region), prices in machines.items()
    )
    return Fetched(tuple(offers), dict(sorted(unknown.items())))


def _key(name: str, memory: float, devices: Sequence[Gpu]) -> str | None:
    """The key of gpuhunt's device; None where the catalog has none, or several."""
    tried = (f"{name} {memory:g}gb", _NAMES.get(name, name), name)
    for spelled in tried:
        found = candidates(spelled, devices)
        if len(found) == 1 and (not memory or abs(found[0].memory_gib / memory - 1) < 0.1):
            return found[0].key
    one = match_gpu(_NAMES.get(name, name), memory * 2**30 if memory else None, devices)
    return one.key if one else None


def _gpuhunt() -> Any:
    try:
        import gpuhunt
    except ImportError as error:
        raise MissingExtra("gpuhunt", "live") from error
    return gpuhunt


class _Heard(logging.Handler):
    """What gpuhunt logs of lists it cannot read, without the tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.problems: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the message."""
        self.problems.append(record.getMessage())


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """Keeps gpuhunt's log off the terminal, and its errors in a list."""
    logger, heard = logging.getLogger("gpuhunt"), _Heard()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(heard)
    try:
        yield heard.problems
    finally:
        logger.removeHandler(heard)
        logger.propagate = propagates
