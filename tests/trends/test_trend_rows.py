"""Rows of text against a golden file.

After a wanted change: ``GPUGAP_REWRITE_GOLDEN=1 python -m pytest tests/trends/test_rows.py``, then read the difference.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from gpugap.core.table import text_table
from gpugap.trends import rows
from gpugap.trends.dates import year_end
from gpugap.trends.overview import sentence
from gpugap.trends.projection import Wish, project
from trend_samples import flat, made

GOLDEN = Path(__file__).parent / "golden" / "rows.txt"
REWRITE = "GPUGAP_REWRITE_GOLDEN" in os.environ
TODAY = date(2026, 11, 24)


def told() -> str:
    parts = []
    for wish in (Wish(until=year_end(2027)), Wish(as_of=year_end(2021)), Wish(degree=3, until=year_end(2030))):
        trend = project(made(), wish, TODAY)
        tests = sorted({one.horizon for model in trend.ranking.models for one in model.horizons})
        parts += [
            sentence(trend),
            text_table(rows.model_header(tests), rows.model_rows(trend, tests)),
            text_table(rows.PROJECTION_HEADER, rows.projection_rows(trend)),
            text_table(rows.SCORED_HEADER, rows.scored_rows(trend)),
            "\n".join(rows.cautions(trend)),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def test_rows_are_the_golden_ones():
    found = told()
    if REWRITE:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_cautions():
    rising = project(flat(*(1.1**k * (2 + (k % 10 < 5)) for k in range(24)), first=2000), Wish(degree=1), TODAY)
    assert any("neighboring residuals" in text for text in rows.cautions(rising))
    far = project(made(), Wish(until=year_end(2060), far=True), TODAY)
    assert any("--far" in text for text in rows.cautions(far))
    asked = project(made(growth=2.5), Wish(degree=1), TODAY)
    assert any("contradict" in text for text in rows.cautions(asked))
