"""Predictions held against tables: scores by hand, what is unscored, and that labels are not looked at."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace

import pytest
from scoring_samples import ADD, IMAGE, LINEAR, MODEL, NODE, Double, table

from gpugap.core.errors import BadValue, MissingExtra, UnknownName, Unsupported
from gpugap.core.oplist import AttentionCall, Op, OpList, Traced
from gpugap.predict.latency.artefact import artefact
from gpugap.predict.prediction import METHODS
from gpugap.study.scoring import traces as kept
from gpugap.study.scoring.recipes import Recipe
from gpugap.study.scoring.scores import error_percent
from gpugap.study.scoring.traces import Traces, oplist_of, written
from gpugap.study.validate import Sample, methods_of, validate, write_rows

ADD_BYTES = 3 * 4 * 1000


def held(path, rows, **options):
    return validate([table(path / "t.csv", rows)], predictor=Double(), traces=Traces(path / "traces"), **options)


def oplist(batch: int, name: str = "gpt2") -> OpList:
    op = Op("aten.mm", "gemm", "forward", "", "", "float32", (("m", batch), ("k", 8)), 16 * batch, 32 * batch, 8)
    same = Op("aten.relu", "elementwise", "forward", "", "", "float32", (("elements", 9),), 0, 36, 36)
    return OpList(name, "inference", batch, "fp32", "", 9, (op, same, op), ())


@pytest.fixture
def tracing(monkeypatch):
    """Counts traces; an architecture called ``broken`` cannot be traced."""
    made: list[Recipe] = []

    def trace(recipe: Recipe) -> Traced:
        made.append(recipe)
        if recipe.name == "broken":
            raise Unsupported("broken cannot be traced", "use another")
        if recipe.name == "odd":
            return Traced(oplist(recipe.batch), why="it is odd")
        return Traced(oplist(recipe.batch), oplist(2 * recipe.batch))

    monkeypatch.setattr(kept, "trace", trace)
    return made


def test_errors_by_hand(tmp_path):
    predicted_s = ADD_BYTES * 1e-9
    rows = [{**ADD, "latency_s": predicted_s * share} for share in (1, 0.5, 2, 4)]
    group = held(tmp_path, rows).group("all", "all")
    assert (group.n_total, group.n_scored) == (4, 4)
    assert group.mean == pytest.approx((0 + 100 + 50 + 75) / 4)
    assert group.median == pytest.approx(62.5)
    assert group.worst == pytest.approx(100)
    assert group.bias == pytest.approx((0 + 100 - 50 - 75) / 4)
    assert group.p90 == pytest.approx(75 + 0.7 * 25)
    assert group.coverage == pytest.approx(3 / 4)


def test_groups_methods_and_what_is_not_scored(tmp_path):
    rows = [LINEAR, ADD, {**ADD, "gpu": "Voodoo"}, {**ADD, "gpu": "H100 PCIe"}, {**ADD, "latency_s": 0}]
    found = held(tmp_path, rows)
    assert {group.method for group in found.groups} == set(METHODS)
    assert found.unscored == {
        "device not in the catalog: Voodoo": 1,
        "nothing is known of it": 1,
        "latency_s is zero, negative, NaN or missing": 1,
    }
    everything = found.group("all", "all", "roofline")
    assert (everything.n_total, everything.n_scored, everything.coverage) == (5, 2, None)
    voodoo = found.group("gpu", "Voodoo")
    assert (voodoo.n_total, voodoo.n_scored, voodoo.mean) == (1, 0, None)
    assert found.group("kind", "linear").n_total == 1
    assert found.group("cell", "t4 linear forward").n_scored == 1
    assert found.group("seen", "seen").n_total == 2
    worst = found.worst("model", 1)[0]
    assert error_percent(worst, "model") == found.group("all", "all").worst
    document = found.to_dict()
    assert sum(one["n"] for one in document["unscored"]) == 3
    assert document["worst"][0]["what"].startswith(("add", "linear"))


def test_nodes_get_the_intervals_of_nodes(tmp_path):
    found = validate([table(tmp_path / "t.csv", [NODE]), table(tmp_path / "u.csv", [LINEAR])], methods=("model",))
    *nodes, op = (one.answers["model"] for one in found.scored)
    assert len(nodes) == 3
    assert {round(one.high_s / one.value_s, 6) for one in nodes} == {round(artefact().spreads["seen node"].factor, 6)}
    assert op.high_s / op.value_s < nodes[0].high_s / nodes[0].value_s


def test_one_method(tmp_path):
    found = held(tmp_path, [ADD], methods=methods_of("flops"))
    assert {group.method for group in found.groups} == {"flops"}
    assert methods_of("all") == METHODS
    with pytest.raises(UnknownName, match="roofline"):
        methods_of("rooflin")


@pytest.mark.usefixtures("tracing")
def test_measured_times_are_not_looked_at(tmp_path):
    """The measured columns exchanged: every prediction stays, byte for byte."""
    ops = [{**ADD, "rows": 10 + place, "latency_s": 1e-5 * (place + 1)} for place in range(20)]
    models = [{**MODEL, "batch_size": 2 + place, "measured_total_s": 0.1 * (place + 1)} for place in range(5)]
    images = [{**IMAGE, "batch_size": 2 + place, "step_time_s": 0.1 * (place + 1)} for place in range(5)]

    def predictions(name: str, shuffled: bool) -> list[list[str]]:
        made = []
        for rows, column in ((ops, "latency_s"), (models, "measured_total_s"), (images, "step_time_s")):
            times = [row[column] for row in rows]
            if shuffled:
                random.Random(3).shuffle(times)
            made.append([{**row, column: time} for row, time in zip(rows, times, strict=True)])
        files = [table(tmp_path / f"{name}{place}.csv", rows) for place, rows in enumerate(made)]
        found = validate(files, predictor=Double(), traces=Traces(tmp_path / name), sample=Sample(24, 5))
        write_rows(found, tmp_path / f"{name}.csv")
        with (tmp_path / f"{name}.csv").open() as stream:
            lines = list(csv.DictReader(stream))
        kept = ("row", "table", "gpu_id", "domain", "predicted_s", "low_s", "high_s", "roofline_s", "unscored")
        return [[line[column] for column in kept] for line in lines]

    plain = predictions("plain", shuffled=False)
    assert plain == predictions("mixed", shuffled=True)
    assert len(plain) == 24
    assert len({line[4] for line in plain}) > 10


def test_a_sample_is_the_same_for_the_same_seed(tmp_path):
    rows = [{**ADD, "rows": 1 + place} for place in range(50)]

    def drawn(seed: int) -> list[int]:
        return [one.case.row for one in held(tmp_path, rows, sample=Sample(10, seed)).scored]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(drawn(1)) == 10
    assert len(held(tmp_path, rows, sample=Sample(99)).scored) == 50
    with pytest.raises(BadValue, match="sample of 0"):
        held(tmp_path, rows, sample=Sample(0))


def test_rows_of_a_recipe_share_its_trace(tmp_path, tracing):
    rows = [{**MODEL, "batch_size": size} for size in (2, 7, 9)]
    found = held(tmp_path, rows)
    assert len(tracing) == 1
    per_sample = 2 * 32 * 1e-9
    seconds = [one.answers["model"].value_s for one in found.scored]
    assert seconds[1] - seconds[0] == pytest.approx(5 * per_sample)
    again = held(tmp_path, rows)
    assert len(tracing) == 1
    assert [one.answers["model"].value_s for one in again.scored] == seconds


def test_inference_without_attention_is_the_same_in_every_pytorch(tmp_path, tracing):
    rows = [{**IMAGE, "phase": "inference", "torch_version": version} for version in ("1.13", "2.4.0")]
    held(tmp_path, rows)
    assert [recipe.modern for recipe in tracing] == [False]
    held(tmp_path, [{**row, "phase": "training"} for row in rows])
    assert [recipe.mode for recipe in tracing] == ["inference", "train", "train"]


def test_a_model_of_other_parameters_is_not_scored(tmp_path, tracing):
    found = held(tmp_path, [{**IMAGE, "params": count} for count in (9, 10, "")])
    assert [bool(one.answers) for one in found.scored] == [True, False, True]
    assert "other parameters" in found.scored[1].reason


def test_another_half_precision_runs_the_same_operators(tmp_path, monkeypatch):
    seen: list[OpList] = []

    class Looks(Double):
        def step(self, ops, gpu, method, *, channels_last):
            seen.append(ops)
            return super().step(ops, gpu, method, channels_last=channels_last)

    half = replace(oplist(32).ops[0], dtype="float16")
    steps = [replace(oplist(batch), precision="fp16", ops=(half,)) for batch in (32, 64)]
    monkeypatch.setattr(kept, "trace", lambda _: Traced(*steps))
    path = table(tmp_path / "t.csv", [IMAGE, {**IMAGE, "precision": "bf16"}])
    validate([path], predictor=Looks(), traces=Traces(tmp_path), methods=("model",))
    assert [(ops.precision, ops.ops[0].dtype) for ops in seen] == [("fp16", "float16"), ("bf16", "bfloat16")]


def test_a_batch_that_does_not_follow_is_traced_itself(tmp_path, tracing):
    held(tmp_path, [{**IMAGE, "arch": "odd", "batch_size": size} for size in (32, 48)])
    assert [recipe.batch for recipe in tracing] == [32, 48]


def test_what_cannot_be_traced_is_counted_and_not_tried_again(tmp_path, tracing):
    for _ in range(2):
        found = held(tmp_path, [{**IMAGE, "arch": "broken"}, IMAGE])
        assert found.unscored == {"broken cannot be traced": 1}
    assert [recipe.name for recipe in tracing] == ["broken", "resnet18"]


def test_without_timm_the_rest_is_scored(tmp_path, monkeypatch):
    def trace(recipe: Recipe) -> Traced:
        if recipe.room == "image":
            raise MissingExtra("timm", "validate")
        return Traced(oplist(recipe.batch), oplist(2 * recipe.batch))

    monkeypatch.setattr(kept, "trace", trace)
    files = [table(tmp_path / "i.csv", [IMAGE]), table(tmp_path / "m.csv", [MODEL])]
    found = validate(files, predictor=Double(), traces=Traces(tmp_path / "traces"))
    assert [bool(one.answers) for one in found.scored] == [False, True]
    assert "timm is not installed" in found.scored[0].reason
    assert "gpugap[validate]" in found.scored[0].reason


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch, tracing):
    rows = [{**IMAGE, "arch": name} for name in ("a", "b", "c")]
    whole = kept.trace

    def stopped(recipe: Recipe) -> Traced:
        if recipe.name == "b":
            raise KeyboardInterrupt
        return whole(recipe)

    monkeypatch.setattr(kept, "trace", stopped)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        held(tmp_path, rows, progress=lambda done, total, name: told.append(f"{done}/{total} {name.split('-')[1]}"))
    assert told == ["0/3 a", "1/3 b"]
    monkeypatch.setattr(kept, "trace", whole)
    held(tmp_path, rows)
    assert [recipe.name for recipe in tracing] == ["a", "b", "c"]
    assert not list((tmp_path / "traces").glob("*.[0-9]*"))


def test_a_damaged_trace_is_made_again(tmp_path, tracing):
    held(tmp_path, [IMAGE])
    file = next((tmp_path / "traces").iterdir())
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no gzip"):
        file.write_bytes(damaged)
        assert held(tmp_path, [IMAGE]).unscored == {}
        assert file.read_bytes()[:2] == b"\x1f\x8b"
    assert len(tracing) == 4


def test_a_kept_trace_is_the_trace():
    call = AttentionCall("float16", 64, masked=False, dropout=True, training=True)
    calls = {call: "flash", replace(call, barred=("flash", "efficient")): "math"}
    one = replace(oplist(3), attention=calls)
    assert oplist_of(json.loads(json.dumps(written(one)))) == one
    assert len(written(one)["ops"]) == 2
