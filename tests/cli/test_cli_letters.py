"""Terminals and pipes of any encoding: every verb speaks, none fails."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.cli.letters import forgive


def written(text: str, encoding: str) -> bytes:
    held = io.BytesIO()
    stream = io.TextIOWrapper(held, encoding=encoding)
    forgive(stream)
    stream.write(text)
    stream.flush()
    return held.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437"])
def test_tables_keep_their_columns(encoding):
    line = " conv6@32 ─── 1.06 – 1.37 s ≈ 1.20× → 4 µs é…"
    text = written(line, encoding).decode(encoding)
    assert len(text) == len(line)
    assert "?" not in text
    assert text.startswith(" conv6@32 ")


@given(st.text(st.characters(exclude_characters="±\r"), max_size=30), st.sampled_from(["ascii", "cp1252", "utf-8"]))
def test_no_text_is_refused(text, encoding):
    shown = written(text, encoding).decode(encoding)
    assert len(shown) == len(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_can_be_written_stays(encoding):
    assert written("1.20× – µs", encoding).decode(encoding) == "1.20× – µs"


def test_standard_error_has_plain_letters_too():
    held = io.BytesIO()
    stream = io.TextIOWrapper(held, encoding="ascii", errors="backslashreplace")  # as Python opens it
    forgive(stream)
    stream.write("1.20× – 3")
    stream.flush()
    assert held.getvalue() == b"1.20x - 3"


def test_a_table_on_an_ascii_terminal(gpugap):
    answer = gpugap("trends", "--list", PYTHONIOENCODING="ascii")
    assert answer.returncode == 0, answer.stderr
    assert "---" in answer.stdout
    assert answer.stdout.isascii()
