"""The store: an SQLite file in the platform's data folder, or any database SQLAlchemy reaches by URL."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, delete, event, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from gpugap.core.errors import BadRecordFile, BadValue, ForeignDatabase, StoreUnavailable, StoreWriteFailed
from gpugap.core.record import Record
from gpugap.store import tables
from gpugap.store.exchange import from_line, to_line
from gpugap.store.location import database_url

_BUSY_TIMEOUT_S, _RETRY_S = 60, 0.01
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a plan.

    Attributes:
        session: id, shared by its records.
        plan: digest of everything that was asked for; equal plans resume each other.
        command: how to run it again.
        processes: how many records it will have when complete.
        started_at: ISO 8601 UTC.
    """

    session: str
    plan: str
    command: str
    processes: int
    started_at: str


@dataclass(frozen=True, slots=True)
class SessionOverview:
    """What the store holds of a session.

    Attributes:
        session: id.
        started_at: of its first record, ISO 8601 UTC; None when no record says.
        workloads: names, in order of appearance.
        devices: names, in order of appearance.
        records: how many.
        failed: how many of them are not ``ok``.
        command: what ran it; None for imported records.
    """

    session: str
    started_at: str | None
    workloads: tuple[str, ...]
    devices: tuple[str, ...]
    records: int
    failed: int
    command: str | None


class Store:
    """Records in a database; every `add` is committed before it returns.

    Args:
        url: an SQLAlchemy URL or a file path; None for the platform's data folder (or ``GPUGAP_DB``).
        create: make the database where there is none.

    Raises:
        StoreUnavailable: it cannot be opened, or there is none and `create` is false.
        ForeignDatabase: it belongs to another program or to a newer gpugap.
    """

    def __init__(self, url: str | None = None, *, create: bool = True) -> None:
        self.url = database_url(url)
        self._engine = self._open(create)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def add(self, record: Record) -> bool:
        """Stores a record; False when the store already has this process.

        Raises:
            StoreWriteFailed: read-only, full disk, lost connection.
        """
        row = _row(record)
        try:
            self._write(lambda connection: connection.execute(tables.records.insert().values(**row)))
        except IntegrityError:
            return False
        return True

    def add_all(self, records: Iterable[Record]) -> int:
        """Stores records in one transaction; returns how many were new.

        Raises:
            StoreWriteFailed: as `add`; nothing is stored then.
        """
        columns = (tables.records.c.session, tables.records.c.cell_digest, tables.records.c.process)
        rows = {(row["session"], row["cell_digest"], row["process"]): row for row in map(_row, records)}

        def insert(connection: Connection) -> int:
            sessions = {row["session"] for row in rows.values()}
            query = select(*columns).where(columns[0].in_(sessions))
            known = {tuple(row) for row in connection.execute(query)}
            new = [row for key, row in rows.items() if key not in known]
            if new:
                connection.execute(tables.records.insert(), new)
            return len(new)

        try:
            return self._write(insert)
        except IntegrityError:  # another process stored some of them in between
            return self._write(insert)

    def overview(self) -> list[SessionOverview]:
        """One line a session, imported ones included, newest first."""
        column = tables.records.c
        query = select(column.session, column.workload, column.device, column.status, column.started_at)
        rows = self._read(query.order_by(column.id), lambda row: tuple(None if x is None else str(x) for x in row))
        commands = {session.session: session.command for session in self.sessions()}
        groups: dict[str, list[tuple[str | None, ...]]] = {}
        for row in rows:
            groups.setdefault(str(row[0]), []).append(row)
        found = [_overview(name, group, commands.get(name)) for name, group in groups.items()]
        return sorted(found, key=lambda overview: overview.started_at or "", reverse=True)

    def add_session(self, session: Session) -> None:
        """Stores a session before its first record."""
        values = {name: getattr(session, name) for name in Session.__slots__}
        self._write(lambda connection: connection.execute(tables.sessions.insert().values(**values)))

    def sessions(self, plan: str | None = None) -> list[Session]:
        """Sessions, newest first; of one plan if given."""
        query = select(tables.sessions).order_by(tables.sessions.c.started_at.desc())
        if plan is not None:
            query = query.where(tables.sessions.c.plan == plan)
        return self._read(
            query, lambda row: Session(str(row[0]), str(row[1]), str(row[2]), int(str(row[3])), str(row[4]))
        )

    def records(self, sessions: Sequence[str] | None = None) -> list[Record]:
        """Records in the order they were stored; of some sessions if given."""
        query = select(tables.records.c.line, tables.records.c.session).order_by(tables.records.c.id)
        if sessions is not None:
            query = query.where(tables.records.c.session.in_(list(sessions)))
        return self._read(query, self._record)

    def _record(self, row: Sequence[object]) -> Record:
        """The record of a line and its session.

        Raises:
            BadRecordFile: it cannot be read: damaged, or written by another version.
        """
        try:
            return from_line(str(row[0]))
        except BadRecordFile as error:
            message = f"{self._name} holds a record of session {row[1]} that cannot be read: {error.message}"
            raise BadRecordFile(message, f"gpugap records delete {row[1]}") from error

    def delete(self, sessions: Iterable[str]) -> int:
        """Deletes sessions with their records; returns how many records went."""
        names = list(sessions)

        def remove(connection: Connection) -> int:
            gone = connection.execute(delete(tables.records).where(tables.records.c.session.in_(names))).rowcount
            connection.execute(delete(tables.sessions).where(tables.sessions.c.session.in_(names)))
            return int(gone)

        return self._write(remove)

    def _read(self, query: object, build: Callable[[Sequence[object]], Row]) -> list[Row]:
        try:
            with self._engine.connect() as connection:
                return [build(row) for row in connection.execute(query)]  # type: ignore[call-overload]
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"cannot read {self._name}: {_reason(error)}", "choose another with --db") from error

    def _write(self, action: Callable[[Connection], Row]) -> Row:
        try:
            with self._engine.begin() as connection:
                return action(connection)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            remedy = "free some space or make it writable, or choose another with --db"
            raise StoreWriteFailed(f"cannot write {self._name}: {_reason(error)}", remedy) from error

    @property
    def _name(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    def _open(self, create: bool) -> Engine:
        try:
            path = sqlite_path(self.url)
        except (ArgumentError, ValueError) as error:  # not repeated in the message: it may hold a password
            raise BadValue("the database URL cannot be parsed", "give a file path or an SQLAlchemy URL") from error
        if path is not None:
            _check_sqlite_file(path, create)
        try:
            engine = _sqlite_engine(path) if path is not None else create_engine(self.url, pool_pre_ping=True)
            with _opening(self._name):
                self._check_or_create(engine, path, create)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise BadValue(f"database URL {self._name!r}: {error}", "give a file path or an SQLAlchemy URL") from error
        return engine

    def _check_or_create(self, engine: Engine, path: Path | None, create: bool) -> None:
        names = set(inspect(engine).get_table_names())
        if tables.meta.name in names:
            with engine.connect() as connection:
                version = connection.execute(select(tables.meta.c.version)).scalar()
            if version is not None:
                if int(version) > tables.VERSION:
                    raise ForeignDatabase(f"{self._name} was written by a newer gpugap", "update gpugap, or use --db")
                return
        elif names and path is not None:
            raise ForeignDatabase(f"{self._name} is another program's database", "choose another with --db")
        if not create:
            raise StoreUnavailable(f"no records yet in {self._name}", "run gpugap study or gpugap records import")
        try:
            with engine.begin() as connection:
                if path is not None:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")  # all tables or none, whoever else creates them now
                tables.metadata.create_all(connection)
                if connection.execute(select(tables.meta.c.version)).scalar() is None:
                    connection.execute(tables.meta.insert().values(version=tables.VERSION))
        except DBAPIError:
            if tables.meta.name not in inspect(engine).get_table_names():
                raise  # otherwise another process created it at the same moment


def sqlite_path(url: str) -> Path | None:
    """The file behind an SQLite URL; None for another database."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _sqlite_engine(path: Path) -> Engine:
    """An engine in WAL mode; for a file on a read-only disk, one that neither writes nor locks."""
    options = {"connect_args": {"timeout": _BUSY_TIMEOUT_S}, "poolclass": NullPool}
    if path.exists() and not os.access(path.parent, os.W_OK):
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:  # it would be ignored, and the records in it with it
            raise StoreUnavailable(
                f"some records of {path} are still in {log.name} and its folder is read-only",
                "copy both files to another folder",
            )
        return create_engine(f"sqlite:///file:{quote(str(path))}?mode=ro&immutable=1&uri=true", **options)
    engine = create_engine(URL.create("sqlite", database=str(path)), **options)
    event.listen(engine, "connect", _use_wal)
    return engine


def _check_sqlite_file(path: Path, create: bool) -> None:
    """Tells a missing, unreadable or foreign file before SQLite touches it."""
    if not path.exists() or not path.stat().st_size:
        if not create:
            raise StoreUnavailable(f"no records yet in {path}", "run gpugap study or gpugap records import")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot create {path.parent}: {error.strerror}", "choose another with --db"
            ) from error
        return
    try:
        with path.open("rb") as stream:
            header = stream.read(16)
    except OSError as error:
        raise StoreUnavailable(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    if header != b"SQLite format 3\x00":
        raise ForeignDatabase(f"{path} is not an SQLite database", "choose another with --db")


@contextmanager
def _opening(name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        remedy = "check the path, its permissions and the free space, or choose another with --db"
        raise StoreUnavailable(f"cannot open {name}: {_reason(error)}", remedy) from error


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _use_wal(connection: sqlite3.Connection, _: object) -> None:
    """Write-ahead log: readers never block a study, and a commit survives the machine's power cut.

    Another program's database is left as it is.
    """
    tables_and_ours = "SELECT count(*), sum(name = 'gpugap_meta') FROM sqlite_master WHERE type = 'table'"
    count, ours = connection.execute(tables_and_ours).fetchone()
    if count and not ours:
        return
    give_up = time.monotonic() + _BUSY_TIMEOUT_S
    while True:  # SQLite does not wait by itself while others switch a new database, too
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_RETRY_S)
    connection.execute("PRAGMA synchronous = FULL")


def _row(record: Record) -> dict[str, str | None]:
    cell = record.cell.key
    return {
        "session": record.session,
        "cell": cell,
        "cell_digest": _digest(cell),
        "process": str(record.process),
        "workload": record.cell.workload,
        "device": record.cell.device,
        "status": record.status,
        "started_at": record.started_at,
        "line": to_line(record),
    }


def _overview(name: str, rows: Sequence[tuple[str | None, ...]], command: str | None) -> SessionOverview:
    workloads, devices = (tuple(dict.fromkeys(str(row[index]) for row in rows)) for index in (1, 2))
    started = min((row[4] for row in rows if row[4]), default=None)
    failed = sum(row[3] != "ok" for row in rows)
    return SessionOverview(name, started, workloads, devices, len(rows), failed, command)
