"""Derives ``src/gpugap/catalog/dated_values.csv`` from larger tables that are not part of this repository.

What is kept: one number a year (a median), and the models or months that set a record; with credit. What it is made of:

- Epoch AI, "Data on AI Models" (CC BY 4.0, epoch.ai/data), the table of notable models as CSV;
- the Steam hardware survey by Valve, monthly median and 90 % quantile of video memory, as CSV with the columns
  ``date``, ``median_gb``, ``p90_gb``; facts of December of each year and of the last month.

Run: ``python benchmarks/dated_values.py --models MODELS.csv --survey SURVEY.csv --seen 2026-05-02 --asked 2026-04-30``.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

TARGET = Path(__file__).parents[1] / "src/gpugap/catalog/dated_values.csv"
HEADER = ("series", "at", "value", "unit", "label", "source", "date", "confidence", "notes")
SINCE, FULL_YEARS_TO = 2010, 2025
QUANTITIES = {"model-parameters": "Parameters", "training-compute": "Training compute (FLOP)"}
UNITS = {"model-parameters": "1", "training-compute": "FLOP"}
FAULTY = {"2026-02-01"}  # the survey of that month is known to be wrong


def models(path: Path, seen: str) -> Iterator[tuple[str, ...]]:
    """Medians by year and record setters of both quantities; guesses marked as speculative are left out."""
    with path.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Confidence"] != "Speculative"]
    for series, column in QUANTITIES.items():
        known = [row for row in rows if row[column] and row["Publication date"][:4] >= str(SINCE)]
        known.sort(key=lambda row: row["Publication date"])
        source = "Epoch AI, Data on AI Models (CC BY 4.0), epoch.ai/data"
        by_year: dict[int, list[float]] = defaultdict(list)
        highest = 0.0
        for row in known:
            value = float(row[column])
            by_year[int(row["Publication date"][:4])].append(value)
            if value > highest:
                highest = value
                name = " ".join(row["Model"].split())
                sure = {"Confident": "high", "Likely": "medium"}.get(row["Confidence"], "medium")
                at = row["Publication date"]
                yield f"{series}-record", at, f"{value:.4g}", UNITS[series], name, source, seen, sure, ""
        for year, values in sorted(by_year.items()):
            if year <= FULL_YEARS_TO:
                label = f"median of {len(values)} notable models"
                middle = f"{median(values):.4g}"
                yield f"{series}-median", f"{year}-12-31", middle, UNITS[series], label, source, seen, "medium", ""


def survey(path: Path, seen: str) -> Iterator[tuple[str, ...]]:
    """Median and 90 % quantile of the video memory of computers with Steam, in December and in the last month."""
    with path.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["date"] not in FAULTY]
    kept = [row for row in rows if row["date"][5:7] == "12"]
    kept += rows[-1:] if rows[-1] not in kept else []
    for series, column in (("owned-memory-median", "median_gb"), ("owned-memory-p90", "p90_gb")):
        for row in kept:
            year, month = row["date"][:4], row["date"][5:7]
            at = f"{year}-12-31" if month == "12" else f"{year}-{month}-30"
            value = str(int(float(row[column]) * 2**30))
            source = "Steam Hardware Survey, Valve; collected by J. Degene (steamHWsurvey)"
            notes = "survey bins, rounded; integrated GPUs count"
            yield series, at, value, "B", f"survey of {year}-{month}", source, seen, "medium", notes


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--survey", type=Path, required=True)
    parser.add_argument("--seen", default="2026-05-02", help="date of the table of models")
    parser.add_argument("--asked", default="2026-04-30", help="date of the last survey")
    given = parser.parse_args()
    with TARGET.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows([*models(given.models, given.seen), *survey(given.survey, given.asked)])
    print(f"{TARGET} written")


if __name__ == "__main__":
    main()
