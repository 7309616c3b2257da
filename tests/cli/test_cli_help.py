"""What ``--help`` shows: whole sentences, and arguments written once."""

import importlib.metadata
import re

import pytest
from typer.main import get_command

from gpugap.cli.app import app

COMMAND = get_command(app)
GROUPS = [()] + [(name,) for name, verb in COMMAND.commands.items() if hasattr(verb, "commands")]


def paths():
    for name, verb in COMMAND.commands.items():
        yield (name,)
        yield from ((name, inner) for inner in getattr(verb, "commands", {}))


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_no_verb_is_told_in_half_a_sentence(gpugap, group):
    shown = gpugap.here(*group, "--help").stdout
    told = shown[shown.index("Commands:") :]
    assert "..." not in told
    lines = [line for line in told.splitlines()[1:] if re.match(r"  \S", line) and "Exit codes" not in line]
    assert all(line.rstrip().endswith(".") and len(line) <= 80 for line in lines if "  " in line.strip()), told


@pytest.mark.parametrize("path", list(paths()), ids=" ".join)
def test_arguments_have_one_pair_of_brackets(gpugap, path):
    usage = " ".join(gpugap.here(*path, "--help").stdout.split("\n\n")[0].split())
    assert "[[" not in usage
    assert "......" not in usage
    assert "...}..." not in usage


def test_the_version_tells_every_framework_that_is_installed(gpugap, monkeypatch):
    known = {"torch": "2.13.0", "tensorflow-cpu": "2.21.0"}

    def version(name):
        if name not in known:
            raise importlib.metadata.PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    shown = gpugap.here("--version").stdout
    assert "torch 2.13.0, tensorflow 2.21.0" in shown
    assert "jax" not in shown


def test_a_list_without_rows_says_so(gpugap):
    answer = gpugap.here("catalog", "list", "offers", "--gpu", "t4", "--region", "us-")
    assert answer.returncode == 0
    assert "no row of offers is as asked" in answer.stderr
