"""What a paper's checklist asks of compute: worker, memory, time, energy and carbon; measured and predicted apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, duration, gibibytes, significant
from gpugap.core.version import __version__
from gpugap.plan.used import Used
from gpugap.report.formats import Row, Sheet, latex, latex_text, markdown

PAPER_FORMATS = ("neurips", "markdown", "latex")
_NEURIPS = (
    r"\item {\bf Experiments compute resources}",
    r"\item[] Question: For each experiment, does the paper provide sufficient information on the computer resources "
    r"(type of compute workers, memory, time of execution) needed to reproduce the experiments?",
)


def paper(found: Sequence[Used], form: str, plan: Mapping[str, Any] | None = None) -> str:
    """The compute resources as a text.

    Args:
        found: what was measured.
        form: one of `PAPER_FORMATS`.
        plan: the result of ``gpugap plan --json``, of which the chosen option is told as predicted; None without.
    """
    sheets = [sheet for sheet in (_measured(found), _predicted(plan)) if sheet.rows]
    about = f"gpugap {__version__}"
    if form == "markdown":
        return markdown(sheets, about)
    tables = latex(sheets, about)
    return tables if form == "latex" else _checklist(found, plan) + "\n\n" + tables


def _checklist(found: Sequence[Used], plan: Mapping[str, Any] | None) -> str:
    """The answer to the checklist's question, which stands or falls with what is known."""
    said = sentences(found, plan)
    answer = r"\answerYes{}" if found else r"\answerNo{}"
    return "\n".join([*_NEURIPS, rf"\item[] Answer: {answer}", rf"\item[] Justification: {latex_text(' '.join(said))}"])


def sentences(found: Sequence[Used], plan: Mapping[str, Any] | None) -> list[str]:
    """The answer in words."""
    workers = list(dict.fromkeys(one.worker for one in found))
    said = []
    if found:
        hours = sum(one.total_time.value or 0.0 for one in found)
        runs = sum(one.runs for one in found)
        said.append(f"{runs} processes ran on {', '.join(workers)}, {duration(hours)} in total (measured).")
        for kind in ("measured", "predicted"):
            mine = [one for one in found if one.energy.kind == kind and one.energy.value is not None]
            if mine:
                joules = sum(one.energy.value or 0.0 for one in mine)
                grams = [one.carbon.value for one in mine if one.carbon.value is not None]
                emitted = f", {significant(sum(grams))} g CO2e" if grams else ", carbon unknown: no country was given"
                said.append(f"Energy {kind}: {significant(joules / 3.6e6)} kWh{emitted}.")
        said.append("Preliminary and failed runs that left no record are not in it.")
    if plan is not None:
        option = _chosen(plan)
        said.append(f"Planned, not run: {option['name']}, {_span(option['time_s'], duration)} (predicted).")
    return said


def _measured(found: Sequence[Used]) -> Sheet:
    rows: list[Row] = [
        (
            one.worker,
            one.work,
            str(one.runs),
            gibibytes(one.memory.value),
            UNKNOWN if one.run_time.value is None else duration(one.run_time.value),
            UNKNOWN if one.total_time.value is None else duration(one.total_time.value),
            *_with_kind(one.energy, 1 / 3.6e6),
            _number(one.carbon, 1.0),
        )
        for one in found
    ]
    header = ("Worker", "Work", "Runs", "Memory", "Time per run", "Time, total", "kWh, total", "Energy is", "g CO2e")
    note = "Times and memory are measured; energy is of the device where a sensor told, at the meter elsewhere."
    return Sheet("Compute resources, measured", note, "compute-measured", header, "llrrrrrlr", rows)


def _predicted(plan: Mapping[str, Any] | None) -> Sheet:
    rows: list[Row] = []
    if plan is not None:
        option = _chosen(plan)
        count = max(1, option["gpu_count"])
        rows.append(
            (
                f"{count}x {option['name']}",
                f"{plan['workload']}, {plan['mode']}, batch {plan['run']['batch']}",
                _span(option["time_s"], duration),
                _span(option["energy_j"], lambda joules: significant(joules / 3.6e6)),
                _span(option["carbon_gco2e"], significant),
                _span(option["cost_usd"], lambda money: f"{money:,.2f}"),
                option["basis"]["step_time"],
            )
        )
    header = ("Worker", "Work", "Time", "kWh", "g CO2e", "USD", "Step time is")
    note = "Predicted from a plan, not run; intervals in parentheses."
    return Sheet("Compute resources, predicted", note, "compute-predicted", header, "llrrrrl", rows)


def _chosen(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in plan["options"] if one["id"] == plan["chosen"])
    return found


def _span(estimate: Mapping[str, Any], written: Any) -> str:
    if estimate["value"] is None:
        return UNKNOWN
    ends = "" if estimate["low"] is None else f" ({written(estimate['low'])} – {written(estimate['high'])})"
    return f"{written(estimate['value'])}{ends}"


def _with_kind(estimate: Estimate, factor: float) -> tuple[str, str]:
    return _number(estimate, factor), estimate.kind if estimate.value is not None else UNKNOWN


def _number(estimate: Estimate, factor: float) -> str:
    if estimate.value is None:
        return UNKNOWN
    if estimate.low is None or estimate.high is None:
        return significant(estimate.value * factor)
    ends = f"{significant(estimate.low * factor)} – {significant(estimate.high * factor)}"
    return f"{significant(estimate.value * factor)} ({ends})"
