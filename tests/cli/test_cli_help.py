"""What ``--help`` shows: whole sentences, and arguments written once."""

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
