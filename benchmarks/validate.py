"""Predictions held against the tables they were fitted to, and the fit's own report of what it had not seen.

Run by ``make validate TABLES=FOLDER``; writes ``docs/accuracy.md``. Steps are traced first, some seconds each; traces
are kept, and a second run begins where the first was stopped.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from gpugap.predict.artefact import artefact
from gpugap.report.accuracy import accuracy_page
from gpugap.study.scoring.scores import scores
from gpugap.study.scoring.traces import Traces
from gpugap.study.validate import Sample, validate

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("ops.parquet", "model_ops.parquet", "end_to_end.csv", "timm.parquet")
PAGE = ROOT / "docs" / "accuracy.md"


def rows(name: str) -> list[dict[str, str]]:
    """Of a CSV file next to this one."""
    with (ROOT / "benchmarks" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    """Scores the tables and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, help="folder of the measured tables")
    parser.add_argument("--images", type=int, default=2000, help="rows of image models drawn at random")
    parser.add_argument("--cache", type=Path, help="folder of kept traces")
    chosen = parser.parse_args()
    traces, scored = Traces(chosen.cache), []
    for name in TABLES:
        sample = Sample(chosen.images if name.startswith("timm") else None, 0)
        print(f"{name} ...", flush=True)
        found = validate([chosen.tables / name], sample=sample, traces=traces, progress=_told)
        scored += found.scored
    page = accuracy_page(scores(scored), artefact().manifest, rows("accuracy_goals.csv"), rows("published_errors.csv"))
    PAGE.write_text(page, encoding="utf-8")
    print(f"wrote {PAGE}")


def _told(done: int, total: int, name: str) -> None:
    if name:
        print(f"  [{done + 1}/{total}] tracing {name}", flush=True)


if __name__ == "__main__":
    main()
