"""How rows of the catalog read on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date as day
from typing import TYPE_CHECKING, Any

from gpugap.cli.tables import Table
from gpugap.core.units import amount, significant

if TYPE_CHECKING:
    from gpugap.catalog import Catalog, Cpu, FreeTier, Gpu, Offer
    from gpugap.catalog.facts import Fact
    from gpugap.catalog.grid import CarbonIntensity, CountryName, ElectricityPrice
    from gpugap.core.estimate import Estimate

_TAIL = ("date", "confidence", "source")


def _number(value: float | None, unit: str = "") -> str:
    """A number for reading; a dash where none is known."""
    return "–" if value is None else f"{value:g}{unit}"


def _gpu(one: Gpu) -> tuple[str, ...]:
    released = one.release_date[:7]
    sizes = (f"{one.memory_gib:g}", f"{one.memory_bandwidth_gb_per_s:g}")
    rates = (_number(one.fp32_tflops), _number(one.fp16_tflops))
    return (one.key, one.vendor, released, *sizes, *rates, _number(one.tdp_w), _number(one.launch_price_usd))


def _cpu(one: Cpu) -> tuple[str, ...]:
    cores, bandwidth = f"{one.cores:g}/{one.threads:g}", _number(one.memory_bandwidth_gb_per_s)
    peak = significant(one.peak_fp32_flop_per_s / 1e9)
    return (one.key, one.category, one.microarchitecture, cores, f"{one.base_ghz:g}", one.vector_isa, peak, bandwidth)


def _offer(one: Offer) -> tuple[str, ...]:
    shares = [None if price is None else round(price, 4) for price in (one.usd_per_gpu_h, one.spot_usd_per_gpu_h)]
    what = f"{one.gpu_count}× {one.gpu}" if one.gpu else "no GPU"
    machine = (_number(one.vcpus), _number(one.ram_gib), _number(one.usd_per_h))
    return (one.provider, one.instance, what, one.region or "–", *machine, *map(_number, shares))


def _tier(one: FreeTier) -> tuple[str, ...]:
    limits = map(_number, (one.session_h, one.gpu_h_per_day, one.gpu_h_per_week, one.gpu_h_per_month))
    what = f"{one.gpu_count}× {one.gpu}" if one.gpu else "a slice"
    return (one.service, what, _number(one.vcpus), _number(one.ram_gib), *limits, _number(one.usd_per_month))


def _country(one: CountryName) -> tuple[str, ...]:
    return (one.iso2, one.iso3, one.name)


def _carbon(one: CarbonIntensity) -> tuple[str, ...]:
    return (one.iso3, str(one.year), f"{one.gco2e_per_kwh:g}")


def _price(one: ElectricityPrice) -> tuple[str, ...]:
    return (one.iso3, one.customer, f"{one.usd_per_kwh:g}")


_Row = Callable[[Any], tuple[str, ...]]
_FORMS: dict[str, tuple[tuple[str, ...], _Row, frozenset[str]]] = {
    "gpus": (
        ("name", "vendor", "released", "GiB", "GB/s", "fp32 TFLOP/s", "fp16 TFLOP/s", "W", "launch USD"),
        _gpu,
        frozenset(("vendor", "released", "launch USD")),
    ),
    "cpus": (
        ("name", "kind", "microarchitecture", "cores/threads", "GHz", "vectors", "fp32 GFLOP/s", "GB/s"),
        _cpu,
        frozenset(("microarchitecture", "vectors")),
    ),
    "offers": (
        ("provider", "instance", "GPUs", "region", "vCPUs", "GiB", "USD/h", "USD/GPU h", "spot USD/GPU h"),
        _offer,
        frozenset(("instance", "vCPUs", "GiB")),
    ),
    "free-tiers": (
        ("service", "GPUs", "vCPUs", "GiB", "session h", "h/day", "h/week", "h/month", "USD/month"),
        _tier,
        frozenset(("vCPUs", "GiB")),
    ),
    "countries": (("ISO 2", "ISO 3", "name"), _country, frozenset()),
    "carbon-intensity": (("country", "year", "gCO2e/kWh"), _carbon, frozenset()),
    "electricity-prices": (("country", "customer", "USD/kWh"), _price, frozenset()),
}
_NUMBERS = frozenset(
    ("GiB", "GB/s", "fp32 TFLOP/s", "fp16 TFLOP/s", "W", "launch USD", "GHz", "fp32 GFLOP/s", "vCPUs", "USD/h")
) | frozenset(("USD/GPU h", "spot USD/GPU h", "session h", "h/day", "h/week", "USD/month", "gCO2e/kWh", "USD/kWh"))


def table_of(name: str, rows: Sequence[Fact], today: day | None) -> Table:
    """Rows of one table, each with date, confidence and source.

    Args:
        name: of the table.
        rows: its rows.
        today: day on which age is judged.
    """
    header, text, spare = _FORMS[name]
    body = [(*text(one), one.dated(today), one.confidence, one.cited()) for one in rows]
    return Table((*header, *_TAIL), body, _NUMBERS, spare=spare)


def found_table(found: Sequence[tuple[str, Fact]], today: day | None) -> Table:
    """Rows of several tables: what they are, and where they stand."""
    body = []
    for table, one in found:
        key, name = (str(getattr(one, column, "")) for column in ("key", "name"))
        body.append((table, key or str(getattr(one, "iso3", "")), name, one.dated(today), one.cited()))
    return Table(("table", "name", "what", "date", "source"), body, spare=frozenset(("what",)))


def state_of(name: str, rows: Sequence[Fact], today: day | None) -> dict[str, Any]:
    """How many rows a table has, how many are stale, of low confidence, or contradicted by another source."""
    return {
        "table": name,
        "rows": len(rows),
        "stale": sum(one.is_stale(today) for one in rows),
        "low": sum(one.confidence == "low" for one in rows),
        "disagreeing": sum(bool(one.disagrees) for one in rows),
    }


def found_here(catalog: Catalog) -> Iterator[tuple[str, str, str | None]]:
    """This machine's CPU and GPUs: what it is, what the machine calls it, and its name in the catalog or None."""
    from gpugap.catalog import match_cpu, match_gpu
    from gpugap.sensors import cpu
    from gpugap.sensors.nvml import gpu_states

    chip = cpu.describe()
    row = match_cpu(chip.model, chip.logical_cores, catalog.processors)
    yield "CPU", chip.model, row.key if row else None
    for state in gpu_states():
        board = match_gpu(state["name"], state["memory_bytes"], catalog.accelerators)
        yield "GPU", state["name"], board.key if board else None
    if chip.model.startswith("Apple"):
        board = match_gpu(chip.model, None, catalog.accelerators)
        yield "GPU", chip.model, board.key if board else None


def entry_of(name: str, catalog: Catalog, today: day | None) -> dict[str, Any]:
    """All that is known of a name: its row, its numbers as estimates, and what belongs to it.

    Raises:
        UnknownName: no GPU, CPU, country or service is called so.
        AmbiguousName: several GPUs or CPUs are.
    """
    from gpugap.catalog.names import spellings
    from gpugap.core.errors import UnknownName

    for look in (_gpu_entry, _cpu_entry, _country_entry, _tier_entry):
        try:
            return look(name, catalog, today)
        except UnknownName:
            continue
    known = spellings(catalog.accelerators) | spellings(catalog.processors)
    known |= {one.name.lower() for one in catalog.country_names} | {one.service.lower() for one in catalog.free_tiers}
    raise UnknownName("GPU, CPU, country or service", name, known)


def _gpu_entry(name: str, catalog: Catalog, today: day | None) -> dict[str, Any]:
    one = catalog.gpu(name)
    offers = [offer.to_dict(today) for offer in catalog.offers(one.key)]
    tiers = [tier.to_dict(today) for tier in catalog.free_tiers if tier.gpu == one.key]
    numbers = {what: number.to_dict() for what, number in one.estimates(today).items()}
    return {"kind": "gpu", "row": one.to_dict(today), "estimates": numbers, "offers": offers, "free_tiers": tiers}


def _cpu_entry(name: str, catalog: Catalog, today: day | None) -> dict[str, Any]:
    one = catalog.cpu(name)
    peak = one.estimate(one.peak_fp32_flop_per_s, "FLOP/s", today)
    return {"kind": "cpu", "row": one.to_dict(today), "estimates": {"fp32_flop_per_s": peak.to_dict()}}


def _country_entry(name: str, catalog: Catalog, today: day | None) -> dict[str, Any]:
    from gpugap.catalog.grid import CUSTOMERS

    one = catalog.country(name)
    numbers: dict[str, Estimate] = {who: one.electricity_price(who, today) for who in CUSTOMERS}
    numbers = {f"{who}_usd_per_kwh": price for who, price in numbers.items()}
    if one.carbon:
        numbers["gco2e_per_kwh"] = one.carbon_intensity(None, today)
    row = {"iso2": one.iso2, "iso3": one.iso3, "name": one.name, "year": one.carbon[-1].year if one.carbon else None}
    rows = [fact.to_dict(today) for fact in (*one.carbon, *one.prices)]
    return {"kind": "country", "row": row, "estimates": {k: v.to_dict() for k, v in numbers.items()}, "rows": rows}


def _tier_entry(name: str, catalog: Catalog, today: day | None) -> dict[str, Any]:
    from gpugap.core.errors import UnknownName

    found = [one for one in catalog.free_tiers if name.lower() in one.service.lower()]
    if not found:
        raise UnknownName("service", name, {one.service.lower() for one in catalog.free_tiers})
    rows = [one.to_dict(today) for one in found]
    return {"kind": "free-tier", "row": {"service": name}, "estimates": {}, "rows": rows}


def lines_of(entry: dict[str, Any]) -> Iterator[str]:
    """The lines of an entry: its numbers with their kind, its other facts, what disagrees, source and date."""
    row = entry["row"]
    yield f"{row.get('key') or row.get('iso3') or row['service']}: {row.get('name', '')}".rstrip(": ")
    for name, number in entry["estimates"].items():
        if number["value"] is not None:
            yield _line(name, f"{_quantity(number)}  {number['kind'].upper()}")
    told = ("key", "name", "stale", "aliases", "iso3", "date", *_PROVENANCE)
    for name, value in row.items():
        if name not in told and value not in (None, "") and not name.endswith(_IN_ESTIMATES):
            yield _line(name, "yes" if value is True else "no" if value is False else value)
    yield from _provenance(row)
    for one in entry.get("rows", [])[-3:]:
        facts = (
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in one.items()
            if value not in (None, "") and name not in ("iso3", "stale", "date", *_PROVENANCE)
        )
        yield "  " + ", ".join(facts)
        yield from _provenance(one)
    yield from _offers(entry.get("offers", []), row)


_PROVENANCE = ("disagrees", "notes", "confidence", "source")
_IN_ESTIMATES = ("tflops", "tops", "memory_gib", "gb_per_s", "tdp_w", "launch_price_usd")
"""Columns that `Gpu.estimates` tells in SI units."""


def _line(name: str, value: Any) -> str:
    return f"  {name:<28} {value:g}" if isinstance(value, float) else f"  {name:<28} {value}"


def _provenance(row: dict[str, Any]) -> Iterator[str]:
    """What disagrees, how sure it is, where it stands, and how old it is."""
    yield from (_line(name, row[name]) for name in _PROVENANCE if row.get(name))
    if row.get("date"):
        yield _line("date", f"{row['date']} (stale)" if row["stale"] else row["date"])


def _offers(offers: Sequence[dict[str, Any]], row: dict[str, Any]) -> Iterator[str]:
    for offer in offers[:3]:
        price = offer["usd_per_h"] or offer["spot_usd_per_h"]
        where = " ".join(part for part in (offer["provider"], offer["instance"], offer["region"]) if part)
        aged = f"{offer['date']}{' (stale)' if offer['stale'] else ''}"
        yield _line("offer", f"{price:g} USD/h for {offer['gpu_count']}, {where}, {aged}")
    if len(offers) > 3:
        yield _line("", f"{len(offers) - 3} more: gpugap catalog list offers --gpu {row['key']}")


def _quantity(number: dict[str, Any]) -> str:
    """Sizes and rates with prefixes; every other number as its source writes it."""
    value, unit = number["value"], number["unit"]
    return amount(value, unit, 3 if unit == "B" else 4) if unit in _PREFIXED else f"{value:g} {unit}"


_PREFIXED = ("B", "B/s", "FLOP/s", "OP/s")
