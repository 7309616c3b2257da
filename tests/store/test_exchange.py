"""Record lines: what is accepted, what is refused and where, what survives a round trip."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factories import make_cell, make_record
from gpugap.core.cell import Cell
from gpugap.core.errors import BadRecordFile
from gpugap.core.record import SCHEMA, STATUSES, Record
from gpugap.explain.cells import summarize
from gpugap.store.exchange import MAX_STEP_TIME_S, from_line, read_file, read_lines, to_line, write_lines
from gpugap.study.api import compare_sides

MINIMAL = {
    "schema": SCHEMA,
    "cell": {
        "workload": "mine",
        "device": "cpu",
        "framework": "torch",
        "mode": "train",
        "batch": 32,
        "precision": "fp32",
    },
    "session": "s1",
    "process": 0,
    "block": 0,
    "step_time_s": [0.5, 0.25],
    "status": "ok",
}

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.integers() | st.booleans() | finite
factors = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.integers() | st.booleans() | finite
plain = st.recursive(
    scalars | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, plain, max_size=3)
foreign = st.dictionaries(names.map("own {}".format), plain, max_size=3)  # no name that has a shape of its own
step_times = st.floats(min_value=1e-12, max_value=MAX_STEP_TIME_S)
KNOWN = {f.name for f in fields(Record)} | {"schema"}
CELL = {f.name for f in fields(Cell)}


@st.composite
def cells(draw) -> Cell:
    own = {name: draw(names) for name in ("workload", "device", "framework", "precision")}
    maybe = {name: draw(names) for name in ("tuning", "execution", "data") if draw(st.booleans())}
    more = draw(st.dictionaries(names.filter(lambda name: name not in CELL), factors, max_size=2))
    mode, batch = draw(st.sampled_from(["train", "inference"])), draw(st.integers(1, 2**40))
    return Cell.from_dict(own | maybe | more | {"mode": mode, "batch": batch})


@st.composite
def records(draw) -> Record:
    times = draw(st.lists(step_times, min_size=1, max_size=5))
    return Record(
        cell=draw(cells()),
        session=draw(names),
        process=draw(st.integers() | names),
        block=draw(st.none() | st.integers() | names),
        step_time_s=tuple(times),
        status=draw(st.sampled_from(STATUSES)),
        warmup_steps=draw(st.integers(0, len(times) - 1)),
        window_steps=draw(st.integers(1, 10)),
        phases=draw(st.dictionaries(names, finite | st.none(), max_size=3)),
        memory=draw(foreign),
        energy=draw(foreign),
        settings=draw(foreign),
        environment=draw(st.none() | foreign.filter(bool)),
        error=draw(st.none() | st.dictionaries(names, names, min_size=1, max_size=3)),
        started_at=draw(st.none() | names),
        gpugap=draw(st.none() | names),
        extra=draw(st.dictionaries(names.filter(lambda name: name not in KNOWN), plain, max_size=3)),
    )


@given(records())
def test_round_trip(record: Record):
    line = to_line(record)
    assert "\n" not in line
    again = from_line(line)
    assert again == record
    assert to_line(again) == line
    assert again.cell.key == record.cell.key


@settings(max_examples=25)
@given(st.lists(records(), min_size=1, max_size=3, unique_by=lambda one: (one.session, one.cell.key, one.process)))
def test_file_round_trip(several: list[Record]):
    stream = io.StringIO()
    assert write_lines(several, stream) == len(several)
    stream.seek(0)
    assert read_lines(stream, "x").records == tuple(several)


@given(st.text(max_size=60) | plain.map(json.dumps) | objects.map(lambda found: json.dumps(MINIMAL | found)))
@example('{"schema": "gpugap.record/1"}')
@example("﻿" + json.dumps(MINIMAL))
def test_any_line_is_a_record_or_a_bad_record_file(line: str):
    try:
        record = from_line(line)
    except BadRecordFile:
        return
    assert from_line(to_line(record)) == record


@given(st.binary(max_size=80))
def test_any_file_is_records_or_a_bad_record_file(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadRecordFile):
        read_file(path)


def test_the_seven_fields_are_enough():
    found = read_lines([json.dumps(MINIMAL)], "mine.jsonl")
    (record,) = found.records
    assert record.cell == Cell("mine", "cpu", "torch", "train", 32, "fp32")
    assert record.step_time_s == (0.5, 0.25)
    assert record.mean_step_time_s == 0.375
    assert (record.environment, record.extra) == (None, {})
    assert found.warnings == ("mine.jsonl: 1 of 1 records do not describe their machine",)


def test_a_described_machine_needs_no_warning():
    assert read_lines([to_line(make_record())], "x").warnings == ()


def changed(**found: object) -> dict[str, object]:
    return MINIMAL | found


def changed_cell(**found: object) -> dict[str, object]:
    return MINIMAL | {"cell": MINIMAL["cell"] | found}


def without(name: str) -> dict[str, object]:
    return {k: v for k, v in MINIMAL.items() if k != name}


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (changed(step_time_s=[0.1, NAN]), "step_time_s.1"),
        (changed(step_time_s=[INFINITY]), "step_time_s.0"),
        (changed(step_time_s=[-0.1]), "step_time_s.0"),
        (changed(step_time_s=[0.1, 0.2, 0]), "step_time_s.2"),
        (changed(step_time_s=[1e-300]), "step_time_s.0"),
        (changed(step_time_s=[1.1e7]), "step_time_s.0"),
        (changed(step_time_s=[10**30]), "step_time_s.0"),
        (changed(step_time_s=["0.1"]), "step_time_s.0"),
        (changed(step_time_s=[True]), "step_time_s.0"),
        (changed(step_time_s=[None]), "step_time_s.0"),
        (changed(step_time_s=0.1), "step_time_s"),
        (changed(step_time_s=[]), "step_time_s"),
        (changed(step_time_s=[0.1], warmup_steps=1), "step_time_s"),
        (changed(warmup_steps=-1), "warmup_steps"),
        (changed(warmup_steps=0.5), "warmup_steps"),
        (changed(window_steps=0), "window_steps"),
        (changed(status="splendid"), "status"),
        (changed(status=None), "status"),
        (changed(session=""), "session"),
        (changed(session=" \t"), "session"),
        (changed(session="a\nb"), "session"),
        (changed(session="x" * 301), "session"),
        (changed(session=7), "session"),
        (changed(process=1.5), "process"),
        (changed(process=True), "process"),
        (changed(process=None), "process"),
        (changed(block=[1]), "block"),
        (changed(cell="conv6"), "cell"),
        (changed_cell(batch=0), "cell.batch"),
        (changed_cell(batch=-8), "cell.batch"),
        (changed_cell(batch=8.0), "cell.batch"),
        (changed_cell(batch="8"), "cell.batch"),
        (changed_cell(batch=True), "cell.batch"),
        (changed_cell(mode="dreaming"), "cell.mode"),
        (changed_cell(workload=""), "cell.workload"),
        (changed_cell(nodes={"a": 1}), "cell.nodes"),
        (changed_cell(nodes=[1]), "cell.nodes"),
        (changed_cell(share=NAN), "cell.share"),
        (changed(phases={"import_s": NAN}), "phases.import_s"),
        (changed(energy={"energy_j": -INFINITY}), "energy.energy_j"),
        (changed(environment={"load_average": [0.1, NAN]}), "environment.load_average.1"),
        (changed(anything={"deep": [[NAN]]}), "anything.deep.0.0"),
        (changed(error={"code": 3}), "error.code"),
        (changed(started_at=2026), "started_at"),
        *((without(name), name) for name in ("cell", "session", "process", "step_time_s", "status")),
        (changed(schema="gpugap.record/2"), "schema"),
        (without("schema"), "schema"),
        ([MINIMAL], "schema"),
        ("text", "schema"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_field(content: object, field: str):
    lines = [json.dumps(MINIMAL) + "\n", "\n", json.dumps(content) + "\n", json.dumps(MINIMAL) + "\n"]
    with pytest.raises(BadRecordFile) as told:
        read_lines(lines, "mine.jsonl")
    where, _, what = told.value.message.partition(": ")
    assert where == "mine.jsonl, line 3"
    assert what.replace('"', "").startswith(field)
    assert "docs/records.md" in told.value.remedy


@pytest.mark.parametrize(
    "line",
    [
        "not json at all",
        '{"schema": ',
        json.dumps(MINIMAL) + json.dumps(MINIMAL),
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        json.dumps(MINIMAL)[:-1] + ', "x": ' + "[" * 700 + "]" * 700 + "}",
        json.dumps(MINIMAL).replace("32", "3" * 5000),
        json.dumps(MINIMAL).replace("0.5", "0x10"),
    ],
    ids=["words", "broken", "two", "deep", "quite deep", "endless integer", "hexadecimal"],
)
def test_a_line_that_is_no_json_is_told_with_its_number(line: str):
    with pytest.raises(BadRecordFile, match=r"^mine\.jsonl, line 2: not JSON"):
        read_lines([json.dumps(MINIMAL) + "\n", line + "\n"], "mine.jsonl")


@pytest.mark.parametrize("number", ["1e999", "NaN", "Infinity", "-Infinity"])
def test_numbers_python_reads_beyond_json_are_refused(number: str):
    with pytest.raises(BadRecordFile, match=r"step_time_s\.0: NaN or infinity"):
        from_line(json.dumps(MINIMAL).replace("0.5", number))


@pytest.mark.parametrize(
    ("found", "field"),
    [
        ({"environment": {"cpu": "Xeon"}}, "environment"),
        ({"environment": {"gpus": ["T4"]}}, "gpus.0"),
        ({"environment": {"gpus": {"name": "T4"}}}, "gpus"),
        ({"environment": {"devices": ["cpu"]}}, "devices.0"),
        ({"environment": {"versions": ["2.13"]}}, "versions"),
        ({"environment": {"machine": [1]}}, "machine"),
        ({"phases": {"import_s": -1.0}}, "import_s"),
        ({"memory": {"peak_rss_bytes": "9 GB"}}, "peak_rss_bytes"),
        ({"energy": {"energy_j": -1.0, "steps": 2}}, "energy_j"),
        ({"energy": {"energy_j": 1.0, "steps": "2"}}, "steps"),
        ({"settings": {"inductor_cache": "hit"}}, "inductor_cache"),
        ({"guards": {"tags": "foreign-load"}}, "tags"),
        ({"guards": {"tags": [["a"]]}}, "tags.0"),
        ({"purpose": "details", "details": {"phases_s": [0.1]}}, "phases_s"),
        ({"purpose": "details", "details": {"phases_s": {"forward": ["0.1"]}}}, "forward.0"),
        ({"purpose": "details", "details": {"copy_s": [-0.1]}}, "copy_s.0"),
        ({"purpose": "details", "details": {"kernels": 3}}, "kernels"),
        ({"purpose": "accuracy"}, "accuracy.target"),
        ({"purpose": "accuracy", "accuracy": {"target": 0.9, "reached": True, "time_s": "1"}}, "accuracy.time_s"),
        ({"purpose": "parity", "parity": {"checks": 3}}, "checks"),
        ({"purpose": "parity", "parity": {"checks": [{"passed": True}]}}, "checks.0.precision"),
        ({"cell": MINIMAL["cell"] | {"batch": 10**400}}, "cell.batch"),
        ({"cell": MINIMAL["cell"] | {"workload": "x\x9b31m"}}, "cell.workload"),
        ({"cell": MINIMAL["cell"] | {"note": "\x1b[31m"}}, "cell.note"),
        ({"cell": MINIMAL["cell"] | {"note\x1b": 1}}, "cell.note"),
        ({"cell": MINIMAL["cell"] | {"note": "\ud800"}}, "cell.note"),
        ({"environment": {"\ud800": 1}}, "a name"),
    ],
)
def test_what_would_break_a_table_later_is_refused_where_it_comes_in(found: dict, field: str):
    with pytest.raises(BadRecordFile, match="line 1: ") as told:
        read_lines([json.dumps(MINIMAL | found) + "\n"], "x")
    assert field in told.value.message
    assert told.value.message.isprintable()


KNOWN_INSIDE = {
    "environment": ("machine", "cpu", "gpus", "devices", "versions", "allocator"),
    "phases": ("import_s", "build_s", "first_step_s"),
    "memory": ("peak_rss_bytes", "peak_allocated_bytes"),
    "energy": ("energy_j", "steps", "reason"),
    "settings": ("threads", "inductor_cache", "onednn"),
    "guards": ("tags",),
    "details": ("phases_s", "copy_s", "loading_s", "pipeline_step_time_s", "kernels", "input_reason"),
    "accuracy": ("target", "reached", "time_s"),
    "parity": ("reference", "checks", "passed"),
}
likely = st.recursive(
    scalars | st.none() | st.integers(-3, 9) | st.floats(0, 10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("name", "forward", "a")), inner),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={k: st.dictionaries(st.sampled_from(v), likely) for k, v in KNOWN_INSIDE.items()}
    ),
    st.sampled_from(["timing", "details", "accuracy"]),
)
def test_whatever_is_accepted_can_be_summarized_and_compared(more: dict, purpose: str):
    line = json.dumps(MINIMAL | more | {"purpose": purpose, "process": 1})
    try:
        records = read_lines([json.dumps(MINIMAL) + "\n", line + "\n"], "x").records
    except BadRecordFile:
        return
    summaries = summarize(records)
    json.dumps([one.to_dict() for one in summaries], allow_nan=False)
    json.dumps([pair.to_dict() for pair in compare_sides(summaries, summaries, 0.02)], allow_nan=False)


def test_failed_records_may_hold_no_times():
    record = from_line(json.dumps(changed(step_time_s=[], status="timeout")))
    assert record.step_time_s == ()
    assert record.mean_step_time_s is None


def test_a_last_line_that_breaks_off_is_left_out_with_a_warning():
    whole = to_line(make_record())
    found = read_lines([whole + "\n", whole[: len(whole) // 2]], "mine.jsonl")
    assert found.records == (make_record(),)
    assert found.warnings == ("mine.jsonl: line 2 is cut off and was left out",)


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_wherever_the_last_line_breaks_off(cut: int):
    whole = to_line(make_record())
    assert len(read_lines([whole + "\n", whole[:cut]], "x").records) == 1


def test_a_broken_line_in_the_middle_is_an_error():
    whole = to_line(make_record())
    with pytest.raises(BadRecordFile, match="line 2"):
        read_lines([whole + "\n", whole[:40] + "\n", whole + "\n"], "x")


def test_a_file_of_nothing_but_a_broken_line_is_an_error():
    with pytest.raises(BadRecordFile, match="line 1"):
        read_lines([to_line(make_record())[:40]], "x")


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"], ids=["nothing", "blank lines"])
def test_an_empty_file_holds_no_records(tmp_path: Path, content: bytes):
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadRecordFile, match="holds no records"):
        read_file(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "not UTF-8"),
        (b"\x00" * 50, "not JSON"),
        (b"workload,device\nconv6,cpu\n", "not JSON"),
        (b'{"name": "gpugap", "version": 1}\n', "schema"),
    ],
    ids=["picture", "zeros", "csv", "another json"],
)
def test_a_foreign_file_is_told(tmp_path: Path, content: bytes, told: str):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(BadRecordFile, match=told):
        read_file(path)


def test_missing_file_and_folder_are_told(tmp_path: Path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(BadRecordFile, match="cannot read"):
            read_file(path)


def test_unknown_fields_survive():
    content = changed_cell(nodes=4, fabric="nvlink") | {"lab": {"rack": [1, 2]}, "note": None}
    record = from_line(json.dumps(content))
    assert record.extra == {"lab": {"rack": [1, 2]}, "note": None}
    assert record.cell.extra == (("fabric", "nvlink"), ("nodes", 4))
    again = json.loads(to_line(record))
    assert again["lab"] == {"rack": [1, 2]}
    assert again["note"] is None
    assert again["cell"]["nodes"] == 4


def test_the_line_begins_with_the_seven_fields():
    assert list(json.loads(to_line(make_record())))[:7] == list(MINIMAL)


def test_a_record_with_nan_is_never_written():
    with pytest.raises(ValueError, match="JSON"):
        to_line(replace(make_record(), energy={"energy_j": NAN}))


def test_lines_are_ascii_so_that_a_cut_never_splits_a_character():
    assert to_line(make_record(cell=make_cell(workload="größe×2"))).isascii()
