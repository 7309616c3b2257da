"""Predictions held against the tables they were fitted to, and the fit's own report of what it had not seen.

Run by ``make validate TABLES=FOLDER``; writes ``docs/accuracy.md``. Steps are traced first, some seconds each; traces
are kept, and a second run begins where the first was stopped.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

from gpugap.predict.latency.artefact import artefact
from gpugap.report.accuracy import accuracy_page
from gpugap.report.scatter import scatter, standalone
from gpugap.study.scoring.cases import Case, Devices, Whole, cases
from gpugap.study.scoring.model import Model
from gpugap.study.scoring.predicting import predicted
from gpugap.study.scoring.scores import scores
from gpugap.study.scoring.tables import read_table
from gpugap.study.scoring.traces import Traces

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("ops.parquet", "model_ops.parquet", "end_to_end.csv", "timm.parquet")
PAGE = ROOT / "docs" / "accuracy.md"
PLOT = ROOT / "docs" / "images" / "accuracy.svg"


def rows(name: str) -> list[dict[str, str]]:
    """Of a CSV file next to this one."""
    with (ROOT / "benchmarks" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def drawn(found: list[Case], count: int) -> list[Case]:
    """Cases of the first architectures of each family, in the order of their names' digests."""
    families: dict[str, set[str]] = {}
    for case in found:
        if isinstance(case.work, Whole) and not case.reason:
            families.setdefault(case.family, set()).add(case.work.recipe.name)
    taken = {name for names in families.values() for name in sorted(names, key=_digest)[:count]}
    return [case for case in found if isinstance(case.work, Whole) and case.work.recipe.name in taken]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def main() -> None:
    """Scores the tables and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, help="folder of the measured tables")
    parser.add_argument("--architectures", type=int, default=3, help="of each family of image models")
    parser.add_argument("--cache", type=Path, help="folder of kept traces")
    chosen = parser.parse_args()
    traces, scored = Traces(chosen.cache), []
    for name in TABLES:
        print(f"{name} ...", flush=True)
        table = read_table(chosen.tables / name)
        found = list(cases(table, range(table.count), Devices()))
        found = drawn(found, chosen.architectures) if table.kind == "images" else found
        scored += predicted(found, Model(), traces, progress=_told)
    page = accuracy_page(scores(scored), artefact().manifest, rows("accuracy_goals.csv"), rows("published_errors.csv"))
    PAGE.write_text(page, encoding="utf-8")
    plot = scatter(scored, "accuracy")
    if plot is not None:
        PLOT.write_text(standalone(plot), encoding="utf-8")
    print(f"wrote {PAGE}")


def _told(done: int, total: int, name: str) -> None:
    if name:
        print(f"  [{done + 1}/{total}] tracing {name}", flush=True)


if __name__ == "__main__":
    main()
