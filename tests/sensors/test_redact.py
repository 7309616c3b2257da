"""Texts of others are kept without names of people, machines and home folders."""

from __future__ import annotations

import os
import pwd
from types import SimpleNamespace

import pytest

from gpugap.sensors.redact import redacted


@pytest.fixture(autouse=True)
def alice(monkeypatch: pytest.MonkeyPatch):
    """User alice with her home, on host wonder.example.org."""
    monkeypatch.setenv("HOME", "/srv/people/alice")
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir="/home/alice", pw_name="alice"))
    monkeypatch.setattr("platform.node", lambda: "wonder.example.org")
    monkeypatch.setenv("HOSTNAME", "wonder-2")
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no file /srv/people/alice/data/x.pt", "no file ~/data/x.pt"),
        ("no file '/home/alice'", "no file '~'"),
        ("in /home/bob/shared/lib.py", "in ~/shared/lib.py"),
        ("in /Users/carol/a, /home/dave:/usr", "in ~/a, ~:/usr"),
        ("in /srv/people/alice2/x", "in /srv/people/alice2/x"),
        ("/data/alice/x on wonder", "/data/<user>/x on <host>"),
        ("wonder.example.org: no device", "<host>: no device"),
        ("wonder-2 and alice@wonder", "<host> and <user>@<host>"),
        ("malice and wonderful stay", "malice and wonderful stay"),
        ("/usr/lib/python3.11/site-packages/torch: home/alike", "/usr/lib/python3.11/site-packages/torch: home/alike"),
        ("", ""),
    ],
)
def test_names_and_homes_are_taken_out(text: str, kept: str):
    assert redacted(text) == kept


@pytest.mark.parametrize("name", ["USER", "LOGNAME", "SUDO_USER"])
def test_names_of_the_environment_count(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "queen")
    assert redacted("/scratch/queen/x") == "/scratch/<user>/x"


@pytest.mark.parametrize("home", ["/", "", "relative"])
def test_a_home_that_is_none_garbles_nothing(monkeypatch: pytest.MonkeyPatch, home: str):
    monkeypatch.setenv("HOME", home)
    assert redacted("/usr/lib and relative/x") == "/usr/lib and relative/x"


def test_names_that_tell_nothing_stay(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir="/root", pw_name="root"))
    monkeypatch.setenv("USER", "a")
    monkeypatch.setattr("platform.node", lambda: "localhost")
    assert redacted("/root/x is a root of localhost") == "~/x is a root of localhost"


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch):
    def unknown(_):
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert redacted("/srv/people/alice/x of alice") == "~/x of alice"


def test_a_linked_home_is_known_by_both_names(monkeypatch: pytest.MonkeyPatch, tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    assert redacted(f"{tmp_path}/link/a {os.path.realpath(real)}/b") == "~/a ~/b"


def test_bytes_that_are_no_letters_become_some():
    assert redacted("no file a\udce9") == "no file a?"
