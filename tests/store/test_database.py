"""What the store promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from factories import make_cell, make_record
from gpugap.core.errors import BadRecordFile, BadValue, ForeignDatabase, StoreUnavailable
from gpugap.store import tables
from gpugap.store.database import Session, Store
from gpugap.store.exchange import to_line

TESTS = Path(__file__).parents[1]
WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from factories import make_record
from gpugap.store.database import Store
sys.stdin.readline()
with Store(sys.argv[2]) as store:
    for number in range(int(sys.argv[4])):
        assert store.add(make_record(f"{sys.argv[3]}-{number}"))
"""


def session(name: str = "s1", plan: str = "p1", started_at: str = "2026-01-01T00:00:00.000+00:00") -> Session:
    return Session(name, plan, "gpugap study", 10, started_at)


def test_a_record_comes_back_as_it_went_in(url: str):
    odd = make_record(
        "größe 'x'",
        cell=make_cell(workload="größe×2", nodes=4),
        status="failed",
        error={"code": "step-raised", "message": "naïve\x00 😀", "remedy": ""},
        memory={"peak_rss_bytes": 2**60},
        extra={"lab": [1, None]},
    )
    with Store(url) as store:
        assert store.add(make_record())
        assert store.add(odd)
    with Store(url, create=False) as store:
        assert store.records() == [make_record(), odd]


def test_the_same_process_is_stored_once(url: str):
    with Store(url) as store:
        assert store.add(make_record(0))
        assert not store.add(make_record(0, times=[9.0]))
        assert store.add(make_record(0, session="s2"))
        assert store.add(make_record(0, cell=make_cell(batch=16)))
        assert store.add(make_record(1))
        assert [record.step_time_s for record in store.records()].count((9.0,)) == 0
        assert len(store.records()) == 4


def test_process_0_and_process_text_0_are_the_same(url: str):
    with Store(url) as store:
        assert store.add(make_record(0))
        assert not store.add(make_record("0"))


def test_records_come_in_the_order_they_were_stored(url: str):
    wanted = [make_record(number, session=f"s{number % 3}") for number in (5, 3, 9, 1)]
    with Store(url) as store:
        for record in wanted:
            store.add(record)
        assert store.records() == wanted
        assert store.records(["s0"]) == [record for record in wanted if record.session == "s0"]
        assert store.records(["s2", "s1"]) == [record for record in wanted if record.session != "s0"]
        assert store.records([]) == []
        assert store.records(["nobody"]) == []


def test_sessions_newest_first_and_by_plan(url: str):
    old, new = session("a"), session("b", started_at="2026-02-01T00:00:00.000+00:00")
    other = session("c", "p2", "2026-01-15T00:00:00.000+00:00")
    with Store(url) as store:
        for one in (old, new, other):
            store.add_session(one)
        assert store.sessions() == [new, other, old]
        assert store.sessions("p1") == [new, old]
        assert store.sessions("p3") == []


def test_delete_takes_sessions_with_their_records(url: str):
    with Store(url) as store:
        for name in ("a", "b", "c"):
            store.add_session(session(name))
            store.add(make_record(0, session=name))
            store.add(make_record(1, session=name))
        assert store.delete(["a", "c", "nobody"]) == 4
        assert [record.session for record in store.records()] == ["b", "b"]
        assert [found.session for found in store.sessions()] == ["b"]
        assert store.delete([]) == 0
        assert store.add(make_record(0, session="a"))


def test_add_all_stores_what_is_new_and_counts_it(url: str):
    with Store(url) as store:
        store.add(make_record(1))
        assert store.add_all(make_record(number) for number in range(4)) == 3
        assert store.add_all([make_record(number) for number in range(4)]) == 0
        assert store.add_all([make_record(7), make_record(7)]) == 1
        assert store.add_all([]) == 0
        assert sorted(record.process for record in store.records()) == [0, 1, 2, 3, 7]


def test_add_all_is_all_or_nothing(url: str):
    bad = replace(make_record(1), energy={"energy_j": float("nan")})
    with Store(url) as store:
        with pytest.raises(ValueError, match="JSON"):
            store.add_all([make_record(0), bad])
        assert store.records() == []


def test_overview_tells_sessions_newest_first(url: str):
    with Store(url) as store:
        store.add_session(session("a"))
        store.add(make_record(0, session="a", started_at="2026-01-02T00:00:00+00:00"))
        store.add(make_record(1, session="a", started_at="2026-01-01T00:00:00+00:00", status="failed"))
        store.add(make_record(0, session="b", cell=make_cell(workload="mine", device="cuda")))
        first, second = store.overview()
    assert (first.session, first.started_at, first.records, first.failed) == ("a", "2026-01-01T00:00:00+00:00", 2, 1)
    assert first.command == "gpugap study"
    assert (second.session, second.workloads, second.devices, second.command) == ("b", ("mine",), ("cuda",), None)


def test_a_database_of_a_newer_gpugap_is_left_alone(url: str):
    with Store(url) as store:
        store.add(make_record())
        with store._engine.begin() as connection:
            connection.execute(tables.meta.update().values(version=tables.VERSION + 1))
    with pytest.raises(ForeignDatabase, match="newer gpugap"):
        Store(url)


def test_nothing_is_made_unless_asked_for(url: str, tmp_path: Path):
    with pytest.raises(StoreUnavailable, match="no records yet"):
        Store(url, create=False)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    with Store(url) as store:
        assert store.records() == []
    with Store(url, create=False) as store:
        assert store.records() == []


@pytest.mark.timeout(120)
def test_four_processes_adding_at_once_to_a_new_database_lose_nothing(url: str):
    command = [sys.executable, "-c", WRITER, str(TESTS), url]
    writers = [
        subprocess.Popen([*command, str(n), "50"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(4)
    ]
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    errors = [writer.communicate(timeout=100)[1].decode() for writer in writers]
    assert errors == [""] * 4
    with Store(url, create=False) as store:
        found = [record.process for record in store.records()]
    assert len(found) == 200
    assert set(found) == {f"{writer}-{number}" for writer in range(4) for number in range(50)}


@pytest.mark.timeout(120)
def test_the_same_records_imported_twice_at_once_are_stored_once(url: str):
    importer = WRITER.split("with Store", maxsplit=1)[0] + (
        "with Store(sys.argv[2]) as store:\n    print(store.add_all(make_record(n) for n in range(300)))\n"
    )
    command = [sys.executable, "-c", importer, str(TESTS), url]
    importers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for one in importers:
        one.stdin.write(b"go\n")
        one.stdin.flush()
    added = [int(one.communicate(timeout=100)[0]) for one in importers]
    assert sorted(added) == [0, 0, 300]
    with Store(url, create=False) as store:
        assert len(store.records()) == 300


def test_two_stores_at_once_see_each_others_records(url: str):
    with Store(url) as one, Store(url) as two:
        one.add(make_record(0))
        two.add(make_record(1))
        assert len(one.records()) == len(two.records()) == 2


def test_a_line_written_by_a_later_version_survives(url: str):
    record = make_record(extra={"tomorrow": {"a": 1}})
    with Store(url) as store:
        store.add(record)
        assert [to_line(found) for found in store.records()] == [to_line(record)]


@pytest.mark.parametrize("text", ["nosuch://host/name", "://", "a b://c", "postgresql://host:port/name"])
def test_an_url_that_is_none_is_a_bad_value(text: str):
    with pytest.raises(BadValue, match="database URL"):
        Store(text)


def test_a_server_that_does_not_answer_is_told_without_the_password():
    pytest.importorskip("psycopg")
    with pytest.raises(StoreUnavailable) as told:
        Store("postgresql+psycopg://somebody:hunter2@127.0.0.1:1/name")
    assert "cannot open" in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_record_that_cannot_be_read_is_told_with_its_session_and_can_be_deleted(url: str):
    with Store(url) as store:
        store.add(make_record(0, session="good"))
        store.add(make_record(0, session="bad"))
        with store._engine.begin() as connection:
            bad = tables.records.c.session == "bad"
            connection.execute(tables.records.update().where(bad).values(line="{oops"))
        with pytest.raises(BadRecordFile, match="session bad that cannot be read: not JSON") as told:
            store.records()
        assert told.value.remedy == "gpugap records delete bad"
        assert [one.session for one in store.records(["good"])] == ["good"]
        store.delete(["bad"])
        assert len(store.records()) == 1
