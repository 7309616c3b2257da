"""``gpugap.measure`` and ``gpugap.compare``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

import gpugap
from gpugap.core.errors import BadRecordFile, BadValue, GpugapError, InputError
from gpugap.measure.turns import my_turn


def test_a_file_is_measured_in_fresh_processes(step_file):
    found = gpugap.measure(
        f"{step_file('return lambda: 1.0')}:make_step", batch=4, processes=3, steps=2, warmup_steps=1
    )
    assert len(found.records) == 3
    assert {record.block for record in found.records} == {0, 1, 2}
    assert found.step_time.n == 3
    assert found.step_time.low <= found.step_time.value <= found.step_time.high
    assert found.throughput.value == pytest.approx(4 / found.step_time.value)
    assert found.records[0].cell.batch == 4


def test_it_takes_turns_with_other_gpugaps_and_not_with_itself(step_file, monkeypatch: pytest.MonkeyPatch):
    """A file that measures something itself while it is measured would wait for its own parent for ever."""
    turns = []

    @contextmanager
    def counted():
        turns.append(1)
        with my_turn():
            yield

    monkeypatch.setattr("gpugap.study.api.my_turn", counted)
    file = step_file("import gpugap\ngpugap.measure(lambda: 1.0, steps=1)\nreturn lambda: 1.0")
    found = gpugap.measure(f"{file}:make_step", processes=2, steps=1, warmup_steps=0)
    assert [record.status for record in found.records] == ["ok", "ok"]
    gpugap.measure(lambda: 1.0, steps=1)
    assert len(turns) == 3


def test_a_callable_is_measured_here_and_has_no_interval():
    calls = []

    def my_step() -> float:
        calls.append(1)
        return 1.0

    found = gpugap.measure(my_step, steps=5, warmup_steps=2)
    assert len(calls) == 8
    assert found.records[0].cell.workload == "my_step"
    assert (found.step_time.n, found.step_time.low) == (1, None)
    assert len(found.records[0].steady_step_time_s) == 5


def test_a_step_knows_its_mode(monkeypatch: pytest.MonkeyPatch):
    step = gpugap.Step(None, run=lambda _: 1.0, mode="inference")
    assert gpugap.measure(step, steps=1).records[0].cell.mode == "inference"


def test_a_callable_that_returns_nan_or_raises_is_told():
    with pytest.raises(GpugapError, match="NaN"):
        gpugap.measure(lambda: float("nan"), steps=2)
    with pytest.raises(ZeroDivisionError):
        gpugap.measure(lambda: 1 / 0, steps=2)


@pytest.mark.parametrize("bad", [{"steps": 0}, {"warmup_steps": -1}])
def test_numbers_out_of_range_are_refused(bad: dict):
    with pytest.raises(BadValue):
        gpugap.measure(lambda: 1.0, **bad)


def test_a_batch_of_nothing_is_refused(step_file):
    with pytest.raises(BadValue, match="batch"):
        gpugap.measure(str(step_file("return lambda: 1.0")), batch=0, processes=1, steps=1)


def test_a_measurement_is_saved_and_compared(tmp_path: Path):
    found = gpugap.measure(lambda: 1.0, steps=3)
    path = tmp_path / "mine.jsonl"
    found.save(path)
    for side in (path, str(path), found):
        (pair,) = gpugap.compare(found, side)
        assert pair.comparison.verdict == "inconclusive"
        assert pair.comparison.reason == "too-few-processes"
        assert pair.comparison.speedup.value == pytest.approx(1)


def test_a_file_that_is_none_is_told(tmp_path: Path):
    with pytest.raises(BadRecordFile):
        gpugap.compare(tmp_path / "none.jsonl", tmp_path / "none.jsonl")


def test_sides_without_a_common_cell_are_told():
    one = gpugap.measure(lambda: 1.0, steps=1)
    with pytest.raises(InputError):
        gpugap.compare(gpugap.Measurement(()), one)


def test_it_reads_well_in_a_prompt_and_in_a_notebook():
    def my_step() -> float:
        return 1.0

    found = gpugap.measure(my_step, steps=2)
    header, row = repr(found).splitlines()
    assert header.split()[:4] == ["network", "mode", "batch", "setup"]
    assert row.split()[:3] == ["my_step", "train", "1"]
    assert "MEASURED" in row
    assert "<table>" in found._repr_html_()
    assert "my_step" in found._repr_html_()


def test_names_are_escaped_in_a_notebook():
    def evil() -> float:
        return 1.0

    evil.__name__ = "<script>"
    assert "<script>" not in gpugap.measure(evil, steps=1)._repr_html_()
