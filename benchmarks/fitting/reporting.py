"""The fit report: errors of what was left out by case, coverage of intervals made without it, and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fitting.left_out import PARTS, Miss
from gpugap.catalog.accelerators import gpu
from gpugap.predict.latency.chip import chip_of
from gpugap.predict.latency.conformal import spread

LIMITED = "power-limited: "
"""Before the name of a case, for its power-limited cards alone."""
_WORST = 20


def report_of(misses: Sequence[Miss]) -> dict[str, Any]:
    """Cells by case, and the worst cases of whole models and of operators; errors in percent of the measured time.

    Args:
        misses: left-out measurements.
    """
    cases: dict[str, list[Miss]] = {}
    limited = {key: chip_of(gpu(key)).power_limited for key in {miss.key for miss in misses}}
    for miss in misses:
        if miss.case.startswith(PARTS):
            continue
        cases.setdefault(miss.case, []).append(miss)
        if limited[miss.key]:
            cases.setdefault(LIMITED + miss.case, []).append(miss)
    whole = [miss for miss in misses if miss.case.startswith(("transformers", "images"))]
    worst = sorted(whole, key=lambda miss: -_error(miss))[:_WORST]
    return {
        "cells": [_cell(case, own) for case, own in sorted(cases.items())],
        "worst": [
            {"case": miss.case, "what": miss.name, "gpu": miss.key, "error": _error(miss), "ratio": _ratio(miss)}
            for miss in worst
        ],
    }


def _ratio(miss: Miss) -> float:
    """Predicted over measured."""
    return float(np.exp(-miss.log_ratio))


def _error(miss: Miss) -> float:
    return 100 * abs(_ratio(miss) - 1)


def _cell(case: str, own: Sequence[Miss]) -> dict[str, Any]:
    errors = np.array([_error(miss) for miss in own])
    return {
        "case": case,
        "n": len(own),
        "groups": len({miss.group for miss in own}),
        "mean": float(errors.mean()),
        "median": float(np.median(errors)),
        "p90": float(np.quantile(errors, 0.9)),
        "worst": float(errors.max()),
        "bias": float(np.mean([100 * (_ratio(miss) - 1) for miss in own])),
        "coverage": _coverage(own),
    }


def _coverage(own: Sequence[Miss]) -> float | None:
    """Share of measurements within intervals made from the other groups of the case; None where there is one group."""
    groups: dict[str, list[float]] = {}
    for miss in own:
        groups.setdefault(miss.group, []).append(abs(miss.log_ratio))
    if len(groups) < 2:
        return None
    inside = 0
    for group, values in groups.items():
        others = [value for other, found in groups.items() if other != group for value in found]
        bound = np.log(spread(others, len(groups) - 1).factor)
        inside += sum(value <= bound for value in values)
    return inside / len(own)
