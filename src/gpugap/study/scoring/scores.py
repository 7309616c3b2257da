"""`Scores`: errors of predictions in groups, with the cases that were not scored and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpugap.predict.latency.conformal import LEVEL
from gpugap.predict.prediction import METHODS, Method
from gpugap.study.scoring.predicting import Answer, Scored

Floats = npt.NDArray[np.float64]
_WORST = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Errors of one method over the cases that share something.

    Absolute percentage error: ``100 * |predicted - measured| / measured``.

    Attributes:
        by: what they share: ``all``, ``table``, ``kind``, ``gpu``, ``family``, ``phase``, ``seen``, ``power``,
            ``cell`` (GPU, kind and phase).
        key: which of it.
        method: the model, or a baseline.
        n_total: cases.
        n_scored: of these, those with a prediction and a measured time.
        mean: absolute percentage error; None where nothing is scored, here and below.
        median: likewise.
        p90: nine tenths of the errors are below.
        worst: the largest error.
        bias: mean signed percentage error; above 0 where predictions are too long.
        coverage: share of measured times within their interval, in 0 .. 1; None where the method has no intervals.
    """

    by: str
    key: str
    method: Method
    n_total: int
    n_scored: int
    mean: float | None
    median: float | None
    p90: float | None
    worst: float | None
    bias: float | None
    coverage: float | None

    def to_dict(self) -> dict[str, Any]:
        """As an entry of ``gpugap.validate/1``."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class Scores:
    """What came of a validation.

    Attributes:
        scored: every case.
        groups: by everything they can share.
        methods: in the order asked for.
    """

    scored: tuple[Scored, ...]
    groups: tuple[Group, ...]
    methods: tuple[Method, ...]

    @property
    def unscored(self) -> dict[str, int]:
        """How many cases were not scored, by reason, the most frequent first."""
        return dict(Counter(one.reason for one in self.scored if one.reason).most_common())

    def worst(self, method: Method = "model", count: int = _WORST) -> list[Scored]:
        """The cases with the largest errors of a method."""
        found = [one for one in self.scored if method in one.answers and one.case.measured_s]
        return sorted(found, key=lambda one: -error_percent(one, method))[:count]

    def group(self, by: str, key: str, method: Method = "model") -> Group | None:
        """One group; None where no case is in it."""
        return next((one for one in self.groups if (one.by, one.key, one.method) == (by, key, method)), None)

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.validate/1``."""
        return {
            "groups": [group.to_dict() for group in self.groups],
            "unscored": [{"reason": reason, "n": count} for reason, count in self.unscored.items()],
            "worst": [
                {
                    "file": one.case.file,
                    "row": one.case.row,
                    "what": described(one),
                    "gpu": one.case.device,
                    "measured_s": one.case.measured_s,
                    "predicted_s": one.answers[method].value_s,
                    "method": method,
                    "error": error_percent(one, method),
                }
                for method in self.methods
                for one in self.worst(method)
            ],
            "units": {"mean": "%", "median": "%", "p90": "%", "worst": "%", "bias": "%", "error": "%", "coverage": "1"},
            "interval_level": LEVEL,
        }


def error_percent(one: Scored, method: Method) -> float:
    """Absolute percentage error of a scored case."""
    measured = one.case.measured_s
    assert measured is not None
    return 100 * abs(one.answers[method].value_s - measured) / measured


def described(one: Scored) -> str:
    """A case for people: ``images resnet training, resnet50``."""
    from gpugap.study.scoring.cases import Whole

    case = one.case
    parts = [case.kind, case.family, case.phase]
    if isinstance(case.work, Whole):
        recipe = case.work.recipe
        parts += [recipe.name, f"b{case.work.batch}", "x".join(str(size) for _, size in recipe.sizes)]
    else:
        ops = case.work if isinstance(case.work, tuple) else (case.work,) if case.work else ()
        parts += ["x".join(str(size) for _, size in op.dimensions) for op in ops]
    return " ".join(part for part in parts if part)


_BY: Mapping[str, Callable[[Scored], str]] = {
    "all": lambda _: "all",
    "table": lambda one: one.case.table,
    "kind": lambda one: one.case.kind,
    "gpu": lambda one: one.case.gpu.key if one.case.gpu else one.case.device,
    "family": lambda one: one.case.family,
    "phase": lambda one: one.case.phase,
    "seen": lambda one: _first(one).domain if one.answers else "",
    "power": lambda one: ("power-limited" if _first(one).limited else "not limited") if one.answers else "",
    "cell": lambda one: f"{one.case.gpu.key} {one.case.kind} {one.case.phase}" if one.case.gpu else "",
}


def _first(one: Scored) -> Answer:
    return next(iter(one.answers.values()))


def scores(found: Sequence[Scored], methods: Sequence[Method] = METHODS) -> Scores:
    """Errors of all cases, in all groups."""
    groups = []
    columns = {method: _columns(found, method) for method in methods}
    for by, key_of in _BY.items():
        places: dict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(found):
            places[key_of(one)].append(place)
        for key in sorted(places):
            if not key and by != "all":
                continue
            groups += [_group((by, key, method), columns[method], places[key]) for method in methods]
    return Scores(tuple(found), tuple(groups), tuple(methods))


def _columns(found: Sequence[Scored], method: Method) -> tuple[Floats, Floats, Floats]:
    """Measured and predicted seconds, and 1 within, 0 outside of the interval; NaN where there is none."""
    measured = np.array([one.case.measured_s if one.answers else np.nan for one in found], dtype=np.float64)
    none = Answer(np.nan, None, None, "extrapolated", limited=False)
    answers = [one.answers.get(method, none) for one in found]
    value = np.array([one.value_s for one in answers], dtype=np.float64)
    low = np.array([np.nan if one.low_s is None else one.low_s for one in answers], dtype=np.float64)
    high = np.array([np.nan if one.high_s is None else one.high_s for one in answers], dtype=np.float64)
    within = np.where(np.isnan(low) | np.isnan(measured), np.nan, (low <= measured) & (measured <= high))
    return measured, value, within


def _group(name: tuple[str, str, Method], columns: tuple[Floats, Floats, Floats], places: Sequence[int]) -> Group:
    by, key, method = name
    measured, value, within = (column[np.asarray(places)] for column in columns)
    signed = 100 * (value - measured) / measured
    signed = signed[np.isfinite(signed)]
    within = within[np.isfinite(within)]
    covered = float(within.mean()) if within.size else None
    if not signed.size:
        return Group(by, key, method, len(places), 0, None, None, None, None, None, covered)
    errors = np.abs(signed)
    return Group(
        by,
        key,
        method,
        len(places),
        int(errors.size),
        float(errors.mean()),
        float(np.median(errors)),
        float(np.quantile(errors, 0.9)),
        float(errors.max()),
        float(signed.mean()),
        covered,
    )


ROW_HEADER = (
    *("file", "row", "table", "kind", "family", "phase", "device", "gpu_id", "domain", "measured_s"),
    *("predicted_s", "low_s", "high_s", "error_percent"),
)
"""Columns of one case, for the model or the first method asked for; one more for each other method, and the reason."""


def rows(found: Scores) -> Iterator[tuple[Any, ...]]:
    """One row a case, as `row_header` names them."""
    main, *others = found.methods
    for one in found.scored:
        case, answer = one.case, one.answers.get(main)
        head = (case.file, case.row, case.table, case.kind, case.family, case.phase, case.device)
        known = (case.gpu.key if case.gpu else "", answer.domain if answer else "", _or_empty(case.measured_s))
        made: tuple[Any, ...] = ("", "", "", "")
        if answer is not None:
            error = error_percent(one, main) if case.measured_s else ""
            made = (answer.value_s, _or_empty(answer.low_s), _or_empty(answer.high_s), error)
        rest = (one.answers[method].value_s if method in one.answers else "" for method in others)
        yield (*head, *known, *made, *rest, one.reason)


def row_header(methods: Sequence[Method]) -> tuple[str, ...]:
    """Names of the columns of `rows`."""
    return (*ROW_HEADER, *(f"{method}_s" for method in methods[1:]), "unscored")


def _or_empty(value: float | None) -> float | str:
    return "" if value is None else value
