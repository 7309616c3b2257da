"""Running a plan: to its end, again, within a budget, through failures, interruptions and full disks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest

from factories import make_cell, make_record
from gpugap.core.cell import Cell
from gpugap.core.errors import StoreWriteFailed
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.measure.plan import Effort, Plan, PlannedCell
from gpugap.measure.spread import Host, Request, spread
from gpugap.measure.target import Target, parse_target
from gpugap.store.database import Store
from gpugap.store.exchange import read_file
from gpugap.study.rescue import rescue
from gpugap.study.session import Outcome, Wish, lock_path, run_session

HOST = Host(usable_cores=1, native_bf16=False, devices=("cpu",))
WISH = Wish("gpugap study")


class Watcher:
    """Notes what it is told; `act` is called with each note and may raise."""

    def __init__(self, act=lambda note: None) -> None:
        self.notes: list[tuple] = []
        self._act = act

    def _note(self, *note) -> None:
        self.notes.append(note)
        self._act(note)

    def begin(self, session, done, total):
        self._note("begin", done, total)

    def waiting(self):
        self._note("waiting")

    def running(self, job, left_s):
        self._note("running", job.process)

    def phase(self, name):
        self._note("phase", name)

    def finished(self, record):
        self._note("finished", record.process)

    def count(self, name: str) -> int:
        return sum(note[0] == name for note in self.notes)


def built_in(batch: int) -> PlannedCell:
    return PlannedCell(make_cell(batch=batch), Target("conv6@32"), Setting())


def own(path: Path) -> PlannedCell:
    (cell,) = spread(Request(parse_target(str(path)), "null", "cpu", "train", 8), HOST, "synthetic")
    return cell


def plan(*cells: PlannedCell, processes: int = 2, **effort) -> Plan:
    chosen = cells or (built_in(1), built_in(2))
    known = {"processes": processes, "warmup_steps": 0, "steps": 2, "timeout_s": 60.0}
    return Plan(chosen, Effort(**(known | effort)), "m1", {"python": "3"})


@pytest.fixture
def store(tmp_path: Path):
    with Store(str(tmp_path / "records.db")) as opened:
        yield opened


def run(store: Store, what: Plan, watcher: Watcher | None = None, wish: Wish = WISH) -> Outcome:
    return run_session(what, {"machine": "m1"}, store, wish, watcher or Watcher())


def test_a_plan_is_run_to_its_end_and_every_process_is_stored(store: Store):
    watcher = Watcher()
    outcome = run(store, plan(), watcher)
    assert (outcome.measured, outcome.complete, outcome.interrupted) == (4, True, False)
    assert store.records() == list(outcome.records)
    assert {(record.block, record.cell.batch) for record in outcome.records} == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert all(record.status == "ok" for record in outcome.records)
    assert all(record.environment["machine"] == "m1" for record in outcome.records)
    assert store.sessions() == [outcome.session]
    assert (outcome.session.processes, outcome.session.command) == (4, "gpugap study")
    assert watcher.notes[0] == ("begin", 0, 4)
    assert (watcher.count("running"), watcher.count("finished"), watcher.count("waiting")) == (4, 4, 0)


def test_the_same_plan_again_measures_nothing(store: Store):
    first, watcher = run(store, plan(processes=1)), Watcher()
    again = run(store, plan(processes=1), watcher)
    assert (again.measured, again.complete, again.session) == (0, True, first.session)
    assert again.records == first.records
    assert watcher.notes == [("begin", 2, 2)]


def test_a_fresh_run_and_another_plan_are_sessions_of_their_own(store: Store):
    first = run(store, plan(processes=1))
    fresh = run(store, plan(processes=1), wish=Wish("gpugap study", fresh=True))
    other = run(store, plan(built_in(4), processes=1))
    assert len({first.session.session, fresh.session.session, other.session.session}) == 3
    assert (fresh.measured, other.measured) == (2, 1)
    assert len(store.records()) == 5
    again = run(store, plan(processes=1))
    assert (again.measured, again.session) == (0, fresh.session)  # the newest of that plan


def test_without_a_budget_nothing_is_started(store: Store):
    watcher = Watcher()
    outcome = run(store, plan(), watcher, Wish("x", budget_s=0.0))
    assert (outcome.measured, outcome.complete, outcome.interrupted) == (0, False, False)
    assert watcher.count("running") == 0


def test_a_spent_budget_stops_and_the_rest_is_run_later(store: Store):
    outcome = run(store, plan(), wish=Wish("x", budget_s=0.02))  # a process alone takes longer
    assert (outcome.measured, outcome.complete) == (1, False)
    rest = run(store, plan())
    assert (rest.measured, rest.complete, len(rest.records)) == (3, True, 4)
    assert rest.session == outcome.session


def test_a_failing_cell_does_not_stop_the_others(store: Store, step_file):
    broken = own(step_file("raise RuntimeError('no data')"))
    outcome = run(store, plan(broken, built_in(1), processes=3))
    assert outcome.complete
    bad = [record for record in outcome.records if record.status != "ok"]
    assert [record.cell.workload for record in bad] == ["own.py:make_step"]
    assert bad[0].error["code"] == "step-raised"
    assert sum(record.status == "ok" for record in outcome.records) == 3


def test_a_cell_that_fails_now_and_then_is_tried_again_once(store: Store, step_file, tmp_path: Path):
    mark = tmp_path / "count"
    body = f"import os\nopen({str(mark)!r}, 'a').write('x')\nn = os.path.getsize({str(mark)!r})\n"
    outcome = run(store, plan(own(step_file(body + "return (lambda: 1) if n in (1, 3) else 42")), processes=6))
    assert [record.status for record in outcome.records] == ["ok", "failed", "ok", "failed"]
    assert outcome.complete


@pytest.mark.parametrize(
    ("when", "stored"), [("running", 1), ("phase", 1), ("finished", 2)], ids=["before", "during", "after"]
)
def test_an_interrupted_run_keeps_what_is_finished_and_goes_on_later(store: Store, when: str, stored: int):
    def interrupt(note: tuple) -> None:
        if note[0] == when and watcher.count("running") == 2:
            raise KeyboardInterrupt

    watcher = Watcher(interrupt)
    outcome = run(store, plan(), watcher)
    assert (outcome.interrupted, outcome.complete, outcome.measured) == (True, False, stored)
    assert store.records() == list(outcome.records)
    again, later = Watcher(), None
    later = run(store, plan(), again)
    assert again.notes[0] == ("begin", stored, 4)
    assert (later.measured, later.complete, later.interrupted) == (4 - stored, True, False)
    assert later.session == outcome.session
    assert len({(record.cell.key, record.process) for record in store.records()}) == 4


def test_an_interruption_before_anything_is_measured(store: Store):
    def interrupt(note: tuple) -> None:
        if note[0] == "running":
            raise KeyboardInterrupt

    outcome = run(store, plan(), Watcher(interrupt))
    assert (outcome.interrupted, outcome.measured, outcome.records) == (True, 0, ())


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_ctrl_c_waits_until_a_record_is_stored_whatever_threads_there_are(store: Store, monkeypatch):
    """A signal that one thread blocks is taken by another, and Python raises in the main thread all the same."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
    add, over = Store.add, threading.Event()
    other = threading.Thread(target=over.wait, daemon=True)
    other.start()

    def press_and_add(self: Store, record: Record) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(20):  # time for the signal, and bytecode at which Python would raise
            time.sleep(0.001)
        return add(self, record)

    monkeypatch.setattr(Store, "add", press_and_add)
    try:
        outcome = run(store, plan(processes=1))
    finally:
        signal.signal(signal.SIGINT, usual)
        over.set()
    assert (outcome.interrupted, outcome.measured) == (True, 1)
    assert store.records() == list(outcome.records)


def test_a_home_that_cannot_be_written_still_measures(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    outcome = run(store, plan(processes=1))
    assert outcome.complete
    lock = lock_path(outcome.session.session)
    assert lock.parent == Path(tempfile.gettempdir())
    assert lock.exists()


def test_a_session_another_process_works_on_is_left_alone(store: Store):
    first = run(store, plan(processes=1), wish=Wish("x", budget_s=0.0))
    with lock_path(first.session.session).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = run(store, plan(processes=1))
    assert second.session.session != first.session.session
    assert second.complete


def test_no_lock_is_held_afterwards(store: Store):
    """The empty file stays: removing it would let two holders lock two files of one name."""
    outcome = run(store, plan(processes=1))
    with lock_path(outcome.session.session).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_wished_width_ends_the_session_early(store: Store):
    outcome = run(store, plan(built_in(1), processes=8), wish=Wish("x", max_width=100.0))
    assert (outcome.measured, outcome.complete) == (5, True)
    again = run(store, plan(built_in(1), processes=8), wish=Wish("x", max_width=100.0))
    assert (again.measured, again.session) == (0, outcome.session)
    whole = run(store, plan(built_in(1), processes=8))
    assert (whole.measured, len(whole.records)) == (3, 8)


def test_a_full_disk_leaves_a_rescue_file_that_can_be_imported(disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def fill(note: tuple) -> None:
        if note == ("running", second):
            disk.fill()

    what = plan(built_in(1), processes=40)
    second = what.jobs("x")[1].process
    with Store(str(disk.folder / "records.db")) as full:
        with pytest.raises(StoreWriteFailed, match="gpugap records import") as error:
            run(full, what, Watcher(fill))
        disk.remount("size=2m")
        stored = full.records()
    (path,) = tmp_path.glob("gpugap-rescue-*.jsonl")
    assert str(path) in error.value.remedy
    saved = read_file(path).records
    assert saved[: len(stored)] == tuple(stored)
    assert len(saved) == len(stored) + 1 >= 2
    with Store(str(tmp_path / "elsewhere.db")) as other:
        assert other.add_all(saved) == len(saved)


def test_rescue_writes_where_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = rescue([make_record(0), make_record(1)])
    assert path == tmp_path / "gpugap-rescue-s1.jsonl"
    assert len(read_file(path).records) == 2


def test_rescue_from_a_full_folder_goes_elsewhere(disk, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(disk.folder)
    disk.fill()
    path = rescue([make_record(0)])
    assert path.parent == home
    assert read_file(path).records == (make_record(0),)
    assert not list(disk.folder.glob("gpugap-rescue*"))


def test_rescue_from_a_read_only_folder_goes_elsewhere(disk, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(disk.folder)
    disk.remount("ro")
    try:
        path = rescue([make_record(0)])
    finally:
        disk.remount("rw")
    assert path.parent == home


def test_rescue_from_a_folder_that_is_gone_goes_elsewhere(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    try:
        path = rescue([make_record(0)])
    finally:
        os.chdir(tmp_path)
    assert path.parent == home


def test_a_second_rescue_that_fails_keeps_the_first(disk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(disk.folder)
    first = rescue([make_record(0)])
    disk.fill()
    with contextlib.suppress(OSError):
        rescue([make_record(0), make_record(1, times=[0.1] * 5000)])
    assert read_file(first).records[0] == make_record(0)


def test_a_cell_is_the_same_in_plan_and_record(store: Store):
    outcome = run(store, plan(processes=1))
    assert {record.cell for record in outcome.records} == {one.cell for one in plan().cells}
    assert all(isinstance(record.cell, Cell) for record in outcome.records)
