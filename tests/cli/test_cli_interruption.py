"""Ctrl-C, kill -9, two at once, a full disk: for real, with real processes."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_support import SPIN

COUNT = 8


@pytest.fixture
def slow_step(gpugap) -> tuple[str, ...]:
    """A measurement of eight processes of about 0.3 s."""
    step = gpugap.step_file(SPIN.format(seconds=0.05))
    return ("measure", step, "--processes", str(COUNT), "--steps", "4", "--warmup", "1", "--details", "0")


def stored(gpugap) -> list[dict]:
    answer = gpugap("records", "export")
    return [json.loads(line) for line in answer.stdout.splitlines()] if answer.returncode == 0 else []


def wait_for(gpugap, count: int, process: subprocess.Popen) -> None:
    """Until so many processes are finished."""
    finished = 0
    while finished < count:
        line = process.stderr.readline()
        assert line, "it ended too early"
        finished += line.startswith("[")


def test_ctrl_c_keeps_what_is_done_and_resumes(gpugap, slow_step):
    process = gpugap.start(*slow_step)
    wait_for(gpugap, 3, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "the same command goes on" in stderr
    before = stored(gpugap)
    assert 3 <= len(before) < COUNT

    answer = gpugap(*slow_step)
    assert answer.returncode == 0
    assert "resuming session" in answer.stderr
    after = stored(gpugap)
    assert len(after) == COUNT
    assert after[: len(before)] == before
    assert len({record["process"] for record in after}) == COUNT
    assert len({record["session"] for record in after}) == 1


@pytest.mark.parametrize("moment", [0.05, 0.4, 1.1, 1.9, 2.7])
def test_kill_9_at_any_moment(gpugap, slow_step, moment):
    process = gpugap.start(*slow_step)
    time.sleep(moment)
    process.kill()
    process.communicate()
    before = stored(gpugap)
    assert all(record["status"] == "ok" for record in before)
    answer = gpugap(*slow_step)
    assert answer.returncode == 0, answer.stderr
    after = stored(gpugap)
    assert after[: len(before)] == before
    assert sorted(record["process"] for record in after) == list(range(COUNT))


def test_kill_9_ends_the_child_too(gpugap):
    source = (
        "import os, time\ndef make_step(b, d):\n    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    )
    process = gpugap.start("measure", gpugap.step_file(source))
    path = gpugap.folder / "pid"
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(path.read_text())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().split()[2] == "Z")


def test_two_at_once_on_one_store(gpugap, slow_step):
    """The same command twice at the same moment: two whole sessions, no process lost or doubled."""
    both = [gpugap.start(*slow_step) for _ in range(2)]
    for process in both:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    sessions: dict[str, list[int]] = {}
    for record in stored(gpugap):
        sessions.setdefault(record["session"], []).append(record["process"])
    assert all(sorted(processes) == list(range(COUNT)) for processes in sessions.values())
    assert 1 <= len(sessions) <= 2


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 200 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_full_disk_loses_nothing_measured(gpugap, slow_step, small_disk):
    gpugap.database = small_disk / "records.db"
    assert gpugap(*slow_step, "--processes", "1").returncode == 0
    filler = small_disk / "filler"
    with filler.open("wb") as stream, pytest.raises(OSError, match="No space left"):
        while True:
            os.write(stream.fileno(), b"x" * 1024)
    answer = gpugap(*slow_step)
    assert answer.returncode == 2
    assert "cannot" in answer.stderr and "Traceback" not in answer.stderr
    filler.unlink()
    rescued = list(gpugap.folder.glob("gpugap-rescue-*.jsonl"))
    for path in rescued:
        assert f"gpugap records import {path}" in answer.stderr
        assert gpugap("records", "import", str(path)).returncode == 0
    answer = gpugap(*slow_step)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    "arguments", [("catalog", "list", "gpus"), ("catalog", "export", "offers"), ("catalog", "list", "gpus", "--json")]
)
def test_a_reader_that_has_gone_is_no_verdict(gpugap, arguments):
    process = gpugap.start(*arguments)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 141
    process.stderr.close()
