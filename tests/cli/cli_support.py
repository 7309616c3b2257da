"""The real command in its own process or in this one, with a home and a store of the test's own."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def _hear_interrupts() -> None:
    """A suite started in the background ignores Ctrl-C, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Command:
    folder: Path
    database: Path

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}  # readline's
        environment = own | self._variables() | variables
        return subprocess.Popen(
            [sys.executable, "-m", "gpugap", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,  # noqa: PLW1509 - the suite starts no threads
        )

    def _variables(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "GPUGAP_DB": str(self.database), "NO_COLOR": "1"}

    def here(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same without a process of its own, which takes a second to start: for many refusals of one verb."""
        from gpugap.cli.app import run

        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self._variables()),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            pytest.raises(SystemExit) as stop,
        ):
            run(list(arguments))
        return subprocess.CompletedProcess(arguments, stop.value.code, stdout.getvalue(), stderr.getvalue())

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        stdout, stderr = process.communicate(timeout=600)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def json(self, *arguments: str) -> dict:
        """The document of a verb that must succeed."""
        answer = self(*arguments, "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)

    def step_file(self, source: str, name: str = "train.py") -> str:
        path = self.folder / name
        path.write_text(source)
        return f"{path}:make_step"


SPIN = """
import time
def make_step(batch_size, device):
    def step():
        end = time.perf_counter() + {seconds}
        while time.perf_counter() < end:
            pass
    return step
"""
