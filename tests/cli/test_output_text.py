"""What others wrote reaches the terminal as text, and steers nothing."""

from __future__ import annotations

import io
import sys

import pytest

from gpugap.cli.measure import command_line
from gpugap.cli.output import Output, visible
from gpugap.core.errors import InputError


def test_what_steers_a_terminal_becomes_a_mark():
    assert visible("a\x1b[31mb\x9bc\x00\ud800\td\ne") == "a\ufffd[31mb\ufffdc\ufffd\ufffd\td\ne"


@pytest.mark.parametrize("way", ["line", "note", "warn", "table", "fail"])
def test_every_way_out_is_plain(monkeypatch: pytest.MonkeyPatch, way: str):
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, said)
    evil, output = "x\x1b]0;title\x07\x9b31m\ud800", Output("records")
    if way == "table":
        output.table(("name",), [(evil,)], title=evil)
    elif way == "fail":
        output.fail(InputError(evil, evil))
    else:
        getattr(output, way)(evil)
    said.flush()
    text = said.buffer.getvalue().decode()
    assert "x\ufffd]0;title" in text
    assert not set(text) & {"\x1b", "\x07", "\x9b"}


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("postgresql+psycopg://ann:s3cret@host/name", "'postgresql+psycopg://ann:***@host/name'"),
        ("--db=postgresql://:s3cret@host/name", "'--db=postgresql://:***@host/name'"),
        ("postgresql://ann:s3c@ret@host/name", "'postgresql://ann:***@host/name'"),
        (
            "postgresql://ann@host/name?password=s3cret&sslmode=require",
            "'postgresql://ann@host/name?password=***&sslmode=require'",
        ),
        ("postgresql://ann@host:5432/name", "postgresql://ann@host:5432/name"),
        ("folder:/data/a@b", "folder:/data/a@b"),
    ],
)
def test_the_command_on_a_page_holds_no_password(monkeypatch: pytest.MonkeyPatch, word: str, shown: str):
    monkeypatch.setattr(sys, "argv", ["gpugap", "study", "--db", word])
    assert command_line() == f"gpugap study --db {shown}"
