"""The real command in its own process, with a home and a store of the test's own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def _hear_interrupts() -> None:
    """A suite started in the background ignores Ctrl-C, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Command:
    folder: Path
    database: Path

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = (
            os.environ | {"HOME": str(self.folder), "GPUGAP_DB": str(self.database), "NO_COLOR": "1"} | variables
        )
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
