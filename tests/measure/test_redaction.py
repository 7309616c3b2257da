"""What went wrong is kept in a record without home folder, user or host."""

from __future__ import annotations

from pathlib import Path

import pytest

from factories import make_job
from gpugap.core.errors import Unsupported
from gpugap.measure.runner import probe, run_job


@pytest.fixture(autouse=True)
def queen(monkeypatch: pytest.MonkeyPatch):
    """A user with a name that no message has by itself."""
    monkeypatch.setenv("USER", "queen")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ("raise OSError({text!r})", "failed", "OSError at own.py:2: no ~/data of <user>"),
        (
            "from gpugap.core.errors import BadStepFile as E\nraise E({text!r}, {text!r})",
            "failed",
            "no ~/data of <user>",
        ),
        ("raise MemoryError({text!r})", "out-of-memory", "does not fit in memory: no ~/data of <user>"),
        ("import os, sys\nprint({text!r}, file=sys.stderr, flush=True)\nos._exit(1)", "killed", "no ~/data of <user>"),
    ],
    ids=["raised", "refused", "out of memory", "died"],
)
def test_no_message_names_the_user_or_the_home_folder(step_file, home: Path, body: str, status: str, told: str):
    error = run_job(make_job(step_file(body.format(text=f"no {home}/data of queen"))), {})
    assert error.status == status
    assert told in error.error["message"]
    assert "queen" not in str(error.error)
    assert str(home) not in str(error.error)


def test_a_name_is_not_cut_in_half_and_kept(step_file, home: Path):
    """The text is shortened after the names are out, not before."""
    long = "x" * 295 + " queen" * 9
    message = run_job(make_job(step_file(f"raise ValueError({long!r})")), {}).error["message"]
    assert "que" not in message


def test_a_framework_that_does_not_start_names_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('queen is not at home')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Unsupported) as error:
        probe("null")
    assert "queen" not in error.value.message
    assert "<user>" in error.value.message
