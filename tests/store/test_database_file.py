"""The SQLite file: where it lies, what is not touched, and what happens when disk or process fail."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from factories import make_record
from gpugap.core.errors import ForeignDatabase, StoreUnavailable, StoreWriteFailed
from gpugap.store.database import Store, _use_wal
from gpugap.store.location import database_url

TESTS = Path(__file__).parents[1]
ENDLESS_WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from factories import make_record
from gpugap.store.database import Store
with Store(sys.argv[2]) as store:
    for number in range(10**6):
        store.add(make_record(number))
        print(number, flush=True)
"""


def test_default_place_is_in_the_data_folder(home: Path):
    with Store() as store:
        store.add(make_record())
    assert (home / "data" / "gpugap" / "records.db").is_file()


def test_variable_moves_the_default_and_the_argument_beats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPUGAP_DB", str(tmp_path / "variable.db"))
    Store().close()
    Store(str(tmp_path / "argument.db")).close()
    assert (tmp_path / "variable.db").is_file()
    assert (tmp_path / "argument.db").is_file()
    assert database_url(None) == f"sqlite:///{tmp_path}/variable.db"


@pytest.mark.parametrize("name", ["a b.db", "größe.db", "what?.db", "100%20.db", "a#b.db", "a@b:c.db", "it's.db"])
def test_the_file_has_the_name_asked_for(tmp_path: Path, name: str):
    folder = tmp_path / "only"
    with Store(str(folder / name)) as store:
        store.add(make_record())
    assert [path.name for path in folder.iterdir()] == [name]
    with Store(str(folder / name), create=False) as store:
        assert len(store.records()) == 1


def test_a_relative_path_and_a_tilde_are_understood(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Store("here.db").close()
    Store("~/there.db").close()
    assert (tmp_path / "here.db").is_file()
    assert (home / "there.db").is_file()


def test_the_log_is_written_ahead_and_commits_survive_a_power_cut(tmp_path: Path):
    path = tmp_path / "records.db"
    with Store(str(path)) as store:
        store.add(make_record())
        with store._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_reader_does_not_hold_up_a_writer(tmp_path: Path):
    path = tmp_path / "records.db"
    with Store(str(path)) as store:
        store.add(make_record(0))
        reader = sqlite3.connect(path)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM gpugap_record").fetchone() == (1,)
        assert store.add(make_record(1))
        assert reader.execute("SELECT count(*) FROM gpugap_record").fetchone() == (1,)
        reader.close()


def foreign_database(path: Path, mode: str = "DELETE") -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("create", [True, False])
def test_another_programs_database_is_not_touched(tmp_path: Path, mode: str, create: bool):
    path = tmp_path / "places.db"
    foreign_database(path, mode)
    before = path.read_bytes()
    with pytest.raises(ForeignDatabase, match="another program's"):
        Store(str(path), create=create)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello, this is no database at all", b"\x00" * 5000, b"S"])
def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path, content: bytes):
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(ForeignDatabase, match="not an SQLite database"):
        Store(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("offset", [16, 100, 4096])
def test_a_damaged_database_is_told(tmp_path: Path, offset: int):
    path = tmp_path / "records.db"
    with Store(str(path)) as store:
        for number in range(50):
            store.add(make_record(number))
    content = bytearray(path.read_bytes())
    content[offset:] = b"\xa5" * (len(content) - offset)
    path.write_bytes(content)
    with pytest.raises((StoreUnavailable, ForeignDatabase)), Store(str(path)) as store:
        store.records()


def test_an_empty_file_becomes_a_database(tmp_path: Path):
    path = tmp_path / "records.db"
    path.touch()
    with pytest.raises(StoreUnavailable, match="no records yet"):
        Store(str(path), create=False)
    with Store(str(path)) as store:
        assert store.add(make_record())


def test_a_folder_or_a_file_in_the_way_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "records.db"):
        with pytest.raises(StoreUnavailable):
            Store(str(path))


@pytest.mark.timeout(120)
def test_a_killed_writer_loses_at_most_the_record_in_flight(tmp_path: Path):
    path = tmp_path / "records.db"
    writer = subprocess.Popen([sys.executable, "-c", ENDLESS_WRITER, str(TESTS), str(path)], stdout=subprocess.PIPE)
    stored = [int(writer.stdout.readline()) for _ in range(25)]
    os.kill(writer.pid, signal.SIGKILL)
    stored += [int(line) for line in writer.stdout.read().split()]
    writer.wait(timeout=60)
    with Store(str(path), create=False) as store:
        found = [record.process for record in store.records()]
        assert found in (stored, [*stored, stored[-1] + 1])
        assert store.add(make_record("after"))


def test_a_full_disk_is_told_and_what_was_stored_stays(disk):
    path, count = disk.folder / "records.db", 0
    with Store(str(path)) as store, pytest.raises(StoreWriteFailed, match="full"):
        while True:
            store.add(make_record(count, times=[0.1] * 300))
            count += 1
    assert count > 10
    with Store(str(path)) as store:
        assert [record.process for record in store.records()] == list(range(count))
        disk.remount("size=2m")
        assert store.add(make_record(count))
    with Store(str(path)) as store:
        assert len(store.records()) == count + 1


def test_an_import_onto_a_full_disk_stores_nothing(disk):
    with Store(str(disk.folder / "records.db")) as store:
        store.add(make_record("first"))
        with pytest.raises(StoreWriteFailed, match="full"):
            store.add_all(make_record(number, times=[0.1] * 300) for number in range(500))
        assert [record.process for record in store.records()] == ["first"]


def test_a_new_database_on_a_full_disk_is_told(disk):
    disk.fill()
    with pytest.raises(StoreUnavailable):
        Store(str(disk.folder / "records.db"))


def test_a_read_only_disk_is_read_and_not_written(disk):
    path = disk.folder / "records.db"
    with Store(str(path)) as store:
        store.add(make_record(0))
    disk.remount("ro")
    try:
        with Store(str(path), create=False) as store:
            assert store.records() == [make_record(0)]
            with pytest.raises(StoreWriteFailed):
                store.add(make_record(1))
        with pytest.raises(StoreUnavailable):
            Store(str(disk.folder / "other.db"))
        with pytest.raises(StoreUnavailable):
            Store(str(disk.folder / "folder" / "other.db"))
    finally:
        disk.remount("rw")


def test_records_left_in_the_log_of_a_read_only_disk_are_not_silently_missing(disk, tmp_path: Path):
    path = disk.folder / "records.db"
    with Store(str(path)) as store:
        store.add(make_record(0))
        reader = sqlite3.connect(path)  # keeps the log from being merged when the store closes
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM gpugap_record").fetchall()
        store.add(make_record(1))
    for name in ("copy.db", "copy.db-wal"):  # what a killed writer leaves behind
        shutil.copy(disk.folder / name.replace("copy", "records"), disk.folder / name)
    reader.close()
    disk.remount("ro")
    try:
        with pytest.raises(StoreUnavailable, match=r"copy\.db-wal"):
            Store(str(disk.folder / "copy.db"), create=False)
    finally:
        disk.remount("rw")
    with Store(str(disk.folder / "copy.db"), create=False) as store:
        assert len(store.records()) == 2


ordinary_user = pytest.mark.skipif(os.getuid() == 0, reason="permissions do not bind root")


@ordinary_user
def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path):
    folder = tmp_path / "folder"
    with Store(str(folder / "records.db")) as store:
        store.add(make_record(0))
    folder.chmod(0o500)
    try:
        with Store(str(folder / "records.db"), create=False) as store:
            assert store.records() == [make_record(0)]
            with pytest.raises(StoreWriteFailed):
                store.add(make_record(1))
        with pytest.raises(StoreUnavailable):
            Store(str(folder / "other.db"))
    finally:
        folder.chmod(0o700)


@ordinary_user
@pytest.mark.parametrize(("mode", "readable"), [(0o400, True), (0o000, False)])
def test_a_file_without_permission(tmp_path: Path, mode: int, readable: bool):
    path = tmp_path / "records.db"
    with Store(str(path)) as store:
        store.add(make_record(0))
    path.chmod(mode)
    if not readable:
        with pytest.raises(StoreUnavailable, match="cannot read"):
            Store(str(path))
        return
    with Store(str(path), create=False) as store:
        assert store.records() == [make_record(0)]
        with pytest.raises(StoreWriteFailed):
            store.add(make_record(1))


def test_switching_a_new_database_to_a_log_waits_for_others_that_do(tmp_path: Path):
    """SQLite's own waiting leaves out some of these moments."""

    class Contended(sqlite3.Connection):
        refusals = 3

        def execute(self, text: str, *more: object) -> sqlite3.Cursor:
            if "journal_mode" in text and self.refusals:
                self.refusals -= 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(text, *more)

    connection = sqlite3.connect(tmp_path / "new.db", factory=Contended)
    _use_wal(connection, None)
    assert connection.refusals == 0
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
