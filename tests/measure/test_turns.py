"""Two gpugaps never measure at the same moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gpugap.measure.turns import my_turn

HOLDER = """
import sys
from gpugap.measure.turns import my_turn
for _ in range(int(sys.argv[1])):
    with my_turn(lambda: print("waiting", flush=True)):
        print("in", flush=True)
        sys.stdin.readline()
        print("out", flush=True)
"""

TURNS = 30
LOGGER = f"""
import sys, time
from gpugap.measure.turns import my_turn
sys.stdin.readline()
log = open(sys.argv[1], "a", buffering=1)
for _ in range({TURNS}):
    with my_turn():
        print(sys.argv[2] + "-in", file=log)
        time.sleep(0.003)
        print(sys.argv[2] + "-out", file=log)
    time.sleep(0.001)
"""


class Holder:
    """A process that takes turns when told to."""

    def __init__(self, turns: int = 1) -> None:
        command = [sys.executable, "-c", HOLDER, str(turns)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@pytest.fixture
def holders():
    made: list[Holder] = []

    def start(turns: int = 1) -> Holder:
        made.append(Holder(turns))
        return made[-1]

    yield start
    for holder in made:
        holder.process.kill()
        holder.process.wait()
        holder.process.stdout.close()
        holder.process.stdin.close()


@pytest.mark.timeout(60)
def test_a_second_one_waits_until_the_first_leaves(holders):
    one = holders()
    assert one.says() == "in"
    two = holders()
    assert two.says() == "waiting"
    one.leave()
    assert one.says() == "out"
    assert two.says() == "in"


@pytest.mark.timeout(60)
def test_two_holders_are_never_in_at_once(tmp_path: Path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", LOGGER, str(log)]
    both = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, text=True) for name in "ab"]
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.wait(timeout=50) for one in both] == [0, 0]
    for one in both:
        one.stdin.close()
    entries = log.read_text().split()
    assert sorted(entries) == sorted(["a-in", "a-out", "b-in", "b-out"] * TURNS)
    for entered, left in zip(entries[::2], entries[1::2], strict=True):
        assert (entered[0], left[0]) in (("a", "a"), ("b", "b"))
        assert (entered[2:], left[2:]) == ("in", "out")
    assert "a-out b-in" in " ".join(entries)
    assert "b-out a-in" in " ".join(entries)


@pytest.mark.timeout(60)
def test_a_killed_holder_leaves_nothing_behind(holders):
    one = holders()
    assert one.says() == "in"
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    waited = []
    with my_turn(lambda: waited.append(True)):
        assert waited == []


def test_alone_nobody_waits():
    for _ in range(2):
        with my_turn(lambda: pytest.fail("nobody else is here")):
            pass


def test_the_lock_lies_in_the_temporary_folder():
    with my_turn():
        assert list(Path(tempfile.gettempdir()).glob("gpugap-*.lock"))
