"""Predictions of the cases of a table: operators by the thousand at once, whole steps one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gpugap.catalog import Gpu
from gpugap.core.errors import MissingExtra, Unsupported
from gpugap.core.oplist import Op, OpList
from gpugap.predict.prediction import METHODS, Domain, Method
from gpugap.study.scoring.cases import Case, Whole
from gpugap.study.scoring.recipes import Recipe
from gpugap.study.scoring.traces import Traces

_SAME_PARAMETERS = 0.05
"""A model differs by no more from one version of timm to another; one with its branches merged differs by more."""
_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A predicted time.

    Attributes:
        value_s: predicted.
        low_s: of the interval; None without one.
        high_s: likewise.
        domain: whether the GPU was in the calibration data.
        limited: whether its power limit, not its units, sets its rate.
    """

    value_s: float
    low_s: float | None
    high_s: float | None
    domain: Domain
    limited: bool


class Predictor(Protocol):
    """What is scored."""

    def alone(self, calls: Sequence[tuple[Op, ...]], gpu: Gpu, method: Method, *, nodes: bool = False) -> list[Answer]:
        """Calls timed one by one, each of one operator or of a few; or the nodes of a graph.

        Raises:
            Unsupported: the catalog does not know enough of the GPU.
        """

    def step(self, ops: OpList, gpu: Gpu, method: Method, *, channels_last: bool) -> Answer:
        """A whole step.

        Raises:
            Unsupported: the catalog does not know enough of the GPU.
        """


@dataclass(frozen=True, slots=True)
class Scored:
    """A case and what was predicted for it.

    Attributes:
        case: measured.
        answers: by method; empty where the case is unscored.
        reason: why it is unscored; empty where it is not.
    """

    case: Case
    answers: dict[Method, Answer]
    reason: str = ""


Progress = Callable[[int, int, str], None]
"""Told of steps traced, of all, and what is traced next."""


def predicted(
    found: Iterable[Case],
    predictor: Predictor,
    traces: Traces,
    *,
    methods: Sequence[Method] = METHODS,
    progress: Progress | None = None,
) -> list[Scored]:
    """Every case with its predictions, in the order given; measured times are not looked at.

    Args:
        found: cases of tables.
        predictor: what is scored.
        traces: kept ones; missing ones are made.
        methods: asked for.
        progress: told of every step that is traced.

    Where torch or timm is not installed, what they trace is unscored.
    """
    listed = list(found)
    scored: list[Scored | None] = [None] * len(listed)
    alone: dict[tuple[str, bool], list[int]] = defaultdict(list)
    whole: dict[Recipe, list[int]] = defaultdict(list)
    for place, case in enumerate(listed):
        if case.reason or case.gpu is None or case.work is None:
            scored[place] = Scored(case, {}, case.reason)
        elif isinstance(case.work, Whole):
            whole[case.work.recipe].append(place)
        else:
            alone[case.gpu.key, case.table == "nodes"].append(place)
    for places in alone.values():
        for place, one in zip(places, _alone([listed[place] for place in places], predictor, methods), strict=True):
            scored[place] = one
    for done, (recipe, places) in enumerate(whole.items()):
        if progress is not None:
            progress(done, len(whole), "" if traces.known(recipe) else recipe.key)
        for place, one in zip(
            places, _steps(recipe, [listed[p] for p in places], predictor, traces, methods), strict=True
        ):
            scored[place] = one
    return [one for one in scored if one is not None]


def _alone(found: Sequence[Case], predictor: Predictor, methods: Sequence[Method]) -> list[Scored]:
    gpu, nodes = found[0].gpu, found[0].table == "nodes"
    assert gpu is not None
    calls = [case.work if isinstance(case.work, tuple) else (case.work,) for case in found]
    try:
        by_method = {method: predictor.alone(calls, gpu, method, nodes=nodes) for method in methods}  # type: ignore[arg-type] # no Whole here
    except Unsupported as error:
        return [Scored(case, {}, error.message) for case in found]
    return [
        Scored(case, {method: answers[place] for method, answers in by_method.items()})
        for place, case in enumerate(found)
    ]


def _steps(
    recipe: Recipe, found: Sequence[Case], predictor: Predictor, traces: Traces, methods: Sequence[Method]
) -> list[Scored]:
    """All rows of one recipe; each batch size follows from its trace, or is traced itself."""
    scored = []
    oplists: dict[tuple[int, str], OpList | str] = {}
    for case in found:
        assert isinstance(case.work, Whole)
        assert case.gpu is not None
        size = (case.work.batch, case.work.half)
        if size not in oplists:
            oplists[size] = _oplist(recipe, size, traces)
        ops = oplists[size]
        if not isinstance(ops, str) and is_another(ops, case.work.parameters):
            ops = f"{recipe.name} as it is built here has other parameters than what was measured"
        if isinstance(ops, str):
            scored.append(Scored(case, {}, ops))
            continue
        try:
            scored.append(
                Scored(
                    case,
                    {
                        method: predictor.step(ops, case.gpu, method, channels_last=case.work.channels_last)
                        for method in methods
                    },
                )
            )
        except Unsupported as error:
            scored.append(Scored(case, {}, error.message))
    return scored


def is_another(ops: OpList, parameters: int) -> bool:
    """Whether a trace is of another model than was measured, as its parameters tell."""
    return bool(parameters) and abs(ops.parameters / parameters - 1) > _SAME_PARAMETERS


def _oplist(recipe: Recipe, size: tuple[int, str], traces: Traces) -> OpList | str:
    """The step at a batch size and with a half precision, or why there is none."""
    batch, half = size
    try:
        traced = traces.get(recipe)
        if batch != recipe.batch and (traced.why or traced.second is None):
            traced = traces.get(replace(recipe, batch=batch))
        return traced.at(batch) if half == "float16" else _in(traced.at(batch), half)
    except Unsupported as error:
        return error.message
    except MissingExtra as error:
        return f"{error.message}, and traces it: {error.remedy}"


def _in(oplist: OpList, half: str) -> OpList:
    """The step with another half precision, which runs the same operators."""
    ops = tuple(replace(op, dtype=half) if op.dtype == "float16" else op for op in oplist.ops)
    return replace(oplist, precision=_PRECISIONS[half], ops=ops)
