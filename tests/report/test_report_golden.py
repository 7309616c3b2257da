"""The page less its drawings against a golden file.

After a wanted change: ``GPUGAP_REWRITE_GOLDEN=1 python -m pytest tests/report/test_report_golden.py``, then read the
difference.
"""

from __future__ import annotations

import os
from pathlib import Path

from report_html import without_drawings
from report_samples import mixed

from gpugap.core.version import __version__
from gpugap.report.page import render_page

GOLDEN = Path(__file__).parent / "golden" / "page.html"
REWRITE = "GPUGAP_REWRITE_GOLDEN" in os.environ


def test_the_page_is_the_golden_one():
    found = without_drawings(render_page(mixed(), command="gpugap study --preset quick"), __version__)
    if REWRITE:
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
