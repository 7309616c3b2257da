"""The page of accuracy: what predictions miss by on what the model had not seen, as Markdown, and the worst of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean, median
from typing import Any

from gpugap.predict.latency.conformal import LEVEL
from gpugap.predict.prediction import METHODS, Method
from gpugap.study.scoring.predicting import Scored
from gpugap.study.scoring.scores import Group, Scores, described, error_percent

BASELINES = tuple(method for method in METHODS if method != "model")
LIMITED = "power-limited: "
"""Before the name of a case of the fit report, for its power-limited cards alone."""
Cells = Sequence[Mapping[str, Any]]
"""Of the fit report: case, n, groups, mean, median, p90, worst, bias, coverage."""
Rows = Sequence[Mapping[str, str]]
"""Of a CSV file."""
_LEAST = 20
"""Cases from which on a comparison with a baseline is asked for."""
_SECTIONS: Mapping[str, Callable[[Group], bool]] = {
    "rows": lambda group: group.by == "table",
    "GPU, whole models": lambda group: group.by == "cell" and group.key.split()[1] in ("models", "images"),
    "operator or node": lambda group: group.by == "kind" and group.n_total >= _LEAST,
    "GPU, all rows": lambda group: group.by == "gpu",
    "power": lambda group: group.by == "power",
}
_TABLES = {
    "ops": "operators, one by one",
    "nodes": "graph nodes, one by one",
    "models": "whole transformers",
    "images": "image models",
}


def accuracy_page(found: Scores, manifest: Mapping[str, Any], goals: Rows, published: Rows) -> str:
    """The page.

    Args:
        found: scores of the tables that the model was fitted to.
        manifest: of the artefact, with its fit report.
        goals: case, goal_mean, goal_median, aim_mean, aim_median.
        published: method, case, n, mean, median, source, date.
    """
    report = manifest.get("report") or {}
    cells = report.get("cells", ())
    parts: list[str] = [
        "# How accurate predicted times are",
        "Made by `make validate`; do not edit. Errors are absolute percentage errors, "
        "`100 × |predicted − measured| / measured`, in percent.",
        f"Calibration: {_calibration(manifest)}",
        *_left_out(cells, found, goals),
        *_coverage(cells),
        *_worst(report.get("worst", ())),
        *_in_sample(found),
        *_published(published),
    ]
    return "\n\n".join(parts) + "\n"


def _calibration(manifest: Mapping[str, Any]) -> str:
    told = [f"{name} {manifest[name]}" for name in ("date", "rows") if isinstance(manifest.get(name), str | int)]
    gpus = manifest.get("gpus")
    names = ", ".join(sorted(gpus)) if gpus else "none"
    return f"{', '.join(told)}{'; ' if told else ''}GPUs: {names}."


def _left_out(cells: Cells, found: Scores, goals: Rows) -> Iterator[str]:
    yield "## On what it had not seen"
    if not cells:
        yield "This calibration holds no report of its fit: `make calibrate` makes one."
        return
    yield (
        "Whole GPUs, whole model families, or a fifth of all shapes were left out of the fit, and predicted by what "
        "was fitted to the rest; operators of a left-out GPU with the others' typical host. Mean / median. "
        "Power-limited cards, whose sustained clock is set by watts, have rows of their own. "
        "Of image models those rows count whose steps were traced, some architectures of each family. "
        "Baselines are not fitted; theirs are all rows of the case."
    )
    aims = {goal["case"]: goal for goal in goals}
    main = [cell for cell in cells if cell["case"].removeprefix(LIMITED) in aims]
    yield _table(("left out", "n", "groups", *METHODS, "must", "aim", "verdict"), _cell_rows(main, found, aims))
    lost = [text for cell in main for text in _beaten(cell, found)]
    beaten = f"In every case of {_LEAST} or more the model's mean error is below that of each baseline."
    yield f"Not better than: {'; '.join(lost)}." if lost else beaten
    others = [cell for cell in cells if cell not in main]
    if others:
        yield "Other operators:"
        yield _table(("left out", "n", "groups", *METHODS, "", "", ""), _cell_rows(others, found, {}))


def _cell_rows(cells: Cells, found: Scores, aims: Mapping[str, Mapping[str, str]]) -> list[tuple[str, ...]]:
    rows = []
    for cell in cells:
        rivals = [_both(_baseline(found, cell["case"], method)) for method in BASELINES]
        goal = aims.get(cell["case"])
        wanted = ("", "", "") if goal is None else _held(cell, goal)
        rows.append((cell["case"], str(cell["n"]), str(cell["groups"]), _both(cell), *rivals, *wanted))
    return rows


def _held(cell: Mapping[str, Any], goal: Mapping[str, str]) -> tuple[str, str, str]:
    pairs = [(goal[f"{name}_mean"], goal[f"{name}_median"]) for name in ("goal", "aim")]
    within = [cell["mean"] <= float(mean) and cell["median"] <= float(median) for mean, median in pairs]
    verdict = "aim" if within[1] else "must" if within[0] else f"missed by {_missed(cell, pairs[0])}"
    return f"{pairs[0][0]} / {pairs[0][1]}", f"{pairs[1][0]} / {pairs[1][1]}", verdict


def _missed(cell: Mapping[str, Any], pair: tuple[str, str]) -> str:
    mean, median = (max(0.0, cell[name] - float(bound)) for name, bound in zip(("mean", "median"), pair, strict=True))
    return f"{mean:.1f} / {median:.1f}"


def _baseline(found: Scores, case: str, method: Method) -> dict[str, float] | None:
    """Errors of a baseline over all rows of a case."""
    wanted = case.removeprefix(LIMITED)
    errors = [
        error_percent(one, method)
        for one in found.scored
        if method in one.answers
        and one.case.measured_s
        and _belongs(one, wanted)
        and (wanted == case or one.answers[method].limited)
    ]
    return {"mean": mean(errors), "median": median(errors)} if errors else None


def _belongs(one: Scored, case: str) -> bool:
    """Whether a row is of a case: ``transformers, family``, ``images train, GPU``, ``shapes conv``."""
    if case.startswith("transformers"):
        return one.case.table == "models"
    if case.startswith("images"):
        return one.case.table == "images" and one.case.phase == ("training" if " train" in case else "inference")
    return one.case.table == "ops" and one.case.kind == case.rsplit(maxsplit=1)[-1]


def _beaten(cell: Mapping[str, Any], found: Scores) -> Iterator[str]:
    """Baselines that are as good as the model in a cell that is large enough to tell."""
    for method in BASELINES if cell["n"] >= _LEAST else ():
        rival = _baseline(found, cell["case"], method)
        if rival is not None and cell["mean"] >= rival["mean"]:
            yield f"{cell['case']}: {method}"


def _both(cell: Mapping[str, Any] | None) -> str:
    return f"{cell['mean']:.1f} / {cell['median']:.1f}" if cell else ""


def _coverage(cells: Cells) -> Iterator[str]:
    from scipy.stats import binom

    rows = []
    for cell in cells:
        if cell.get("coverage") is None:
            continue
        low, high = (binom.ppf(q, cell["n"], LEVEL) / cell["n"] for q in (0.025, 0.975))
        inside = "yes" if low <= cell["coverage"] <= high else "above" if cell["coverage"] > high else "below"
        band = f"{100 * low:.0f} to {100 * high:.0f} %"
        rows.append((cell["case"], str(cell["n"]), f"{100 * cell['coverage']:.0f} %", band, inside))
    if rows:
        yield "## Coverage of 90 % intervals"
        yield "Of each left-out group by the interval that all other left-out groups of its case give."
        yield _table(("left out", "n", "covered", "binomial 95 % band", "within"), rows)


def _worst(worst: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not worst:
        return
    yield "## The worst twenty whole models of what it had not seen"
    rows = [
        (one["case"], one["what"], one["gpu"], f"{one['ratio']:.2f}", f"{one['error']:.0f}")
        for one in sorted(worst, key=lambda one: -one["error"])[:20]
    ]
    yield _table(("left out", "what", "GPU", "predicted / measured", "error %"), rows)


def _in_sample(found: Scores) -> Iterator[str]:
    yield "## On the tables it was fitted to"
    yield "`gpugap validate` on the same rows: how well the model describes them, not how well it predicts others."
    header = ("n", *METHODS, "p90", "worst", "in 90 %")
    for title, chosen in _SECTIONS.items():
        groups = [group for group in found.groups if chosen(group) and group.n_scored]
        if groups:
            yield _table((title, *header), _by_method(groups))
    if any(one.case.table in ("models", "images") and one.answers for one in found.scored):
        yield "![Predicted against measured step times of whole models](images/accuracy.svg)"
        yield "Solid: predicted as measured; dashed: a quarter more, and as much less."
    yield "The worst of them:"
    yield _table(("what", "GPU", "measured", "predicted", "error %"), [_case(one) for one in found.worst("model", 20)])
    if found.unscored:
        yield "Rows that were not scored:"
        yield _table(("why", "n"), [(reason, str(count)) for reason, count in found.unscored.items()])


def _case(one: Scored) -> tuple[str, ...]:
    times = (_seconds(one.case.measured_s or 0.0), _seconds(one.answers["model"].value_s))
    return (described(one), one.case.device, *times, f"{error_percent(one, 'model'):.0f}")


def _by_method(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    """One row a group, its methods side by side."""
    found: dict[tuple[str, str], dict[str, Group]] = {}
    for group in groups:
        found.setdefault((group.by, group.key), {})[group.method] = group
    rows = []
    for (by, key), by_method in found.items():
        model = by_method["model"]
        errors = [f"{one.mean:.1f} / {one.median:.1f}" if (one := by_method.get(m)) else "" for m in METHODS]
        covered = "" if model.coverage is None else f"{100 * model.coverage:.0f}"
        name = _TABLES.get(key, key) if by == "table" else key
        rows.append((name, str(model.n_scored), *errors, f"{model.p90:.0f}", f"{model.worst:.0f}", covered))
    return rows


def _published(published: Rows) -> Iterator[str]:
    if not published:
        return
    yield "## What others publish"
    names = ("method", "case", "n", "mean", "median", "source", "date")
    yield _table(names, [tuple(row[name] for name in names) for row in published])
    yield "Computed from predictions that the authors published; GPUs and models partly differ from those above."


def _seconds(value_s: float) -> str:
    from gpugap.core.units import seconds

    return seconds(value_s)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
