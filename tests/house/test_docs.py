"""The documentation says what is true: links lead somewhere, texts made by a command are up to date, examples run."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gpugap.store.exchange import from_line

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_made_texts_are_up_to_date():
    answer = subprocess.run(
        [sys.executable, ROOT / "docs/build.py", "--check"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_the_verbs_of_the_readme_are_the_verbs():
    from gpugap.cli.app import app

    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert set(re.findall(r"^\| `gpugap (\w+)`", (ROOT / "README.md").read_text(), re.M)) == names


def test_json_examples_hold():
    record = re.search(r"```json\n(.*?)\n```", (ROOT / "docs/records.md").read_text(), re.S)
    assert from_line(record[1]).mean_step_time_s == pytest.approx(0.0122)
    for line in re.search(r"```json\n(.*?)\n```", (ROOT / "docs/output.md").read_text(), re.S)[1].splitlines():
        assert json.loads(line)["version"]


def commands() -> list[str]:
    """Every command of gpugap in the console blocks of the documentation."""
    blocks = [block for page in PAGES for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.S)]
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    parts = [part.strip() for line in lines if line.startswith("gpugap ") for part in line.split("&&")]
    return list(dict.fromkeys(part for part in parts if part.startswith("gpugap ")))


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_documentation_is_one(command):
    from typer.main import get_command

    from gpugap.cli.app import app

    verb, words = get_command(app), shlex.split(command, comments=True)[1:]
    while hasattr(verb, "commands"):
        verb = verb.commands[words.pop(0)]
    verb.make_context(verb.name, words)


@pytest.mark.torch
def test_the_step_example_runs(tmp_path):
    pytest.importorskip("torch")
    from gpugap.study.api import measure

    source = re.search(r"```python\n(# train.py.*?)```", (ROOT / "docs/steps.md").read_text(), re.S)[1]
    path = tmp_path / "train.py"
    path.write_text(source)
    result = measure(f"{path}:make_step", batch=4, device="cpu", processes=2, steps=2, warmup_steps=1)
    assert [cell.cell.tuning for cell in result.cells] == ["default", "tuned-basic"] or len(result.cells) == 2
    assert result.step_time.value > 0


def test_exit_codes_of_the_documentation_are_the_codes():
    from gpugap.cli.app import NOBODY_READS
    from gpugap.core import errors

    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    table = re.findall(r"^\| (\d+) \|", (ROOT / "docs/output.md").read_text(), re.M)
    assert {int(code) for code in table} == codes | {0, NOBODY_READS}
