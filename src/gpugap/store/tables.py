"""The database's tables. The line is the record; the other columns are copies of its fields to search by."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, UniqueConstraint

VERSION = 1

metadata = MetaData()

meta = Table("gpugap_meta", metadata, Column("version", Integer, primary_key=True))

sessions = Table(
    "gpugap_session",
    metadata,
    Column("session", String(64), primary_key=True),
    Column("plan", String(64), nullable=False, index=True),
    Column("command", Text, nullable=False),
    Column("processes", Integer, nullable=False),
    Column("started_at", String(40), nullable=False),
)

records = Table(
    "gpugap_record",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", String(300), nullable=False, index=True),
    Column("cell", Text, nullable=False),
    Column("process", String(300), nullable=False),
    Column("workload", String(300), nullable=False, index=True),
    Column("device", String(300), nullable=False),
    Column("status", String(40), nullable=False),
    Column("cell_digest", String(64), nullable=False),
    Column("started_at", String(40)),
    Column("line", Text, nullable=False),
    UniqueConstraint("session", "cell_digest", "process", name="gpugap_one_record_a_process"),
)
