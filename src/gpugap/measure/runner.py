"""The parent: starts one child a job and sleeps on its pipe until it is done, dead or late."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from gpugap.core.errors import OutOfMemory, ProcessDied, StepTimeout, Unsupported
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.core.units import duration
from gpugap.core.version import __version__
from gpugap.measure.job import Job
from gpugap.measure.turns import HELD
from gpugap.sensors.libraries import preloadable_allocators
from gpugap.sensors.redact import redacted

OnPhase = Callable[[str], None]


def run_job(job: Job, environment: Mapping[str, Any], on_phase: OnPhase = lambda _: None) -> Record:
    """Runs one job in a fresh process and returns its record, whatever happened in it.

    Args:
        job: what to run.
        environment: the machine; load and library versions of this process are added.
        on_phase: called with the name of each phase the child enters.

    Raises:
        KeyboardInterrupt: Ctrl-C; the child is ended first.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    around = dict(environment) | {"load_average": list(os.getloadavg())}
    with tempfile.TemporaryFile() as output:
        done, failure = _converse(job, output, on_phase)
    if done is None:
        done = {"status": failure[0], "error": failure[1], "step_time_s": []}
    around |= {"versions": done.get("versions", {})} | {k: done[k] for k in ("allocator",) if k in done}
    return Record(
        cell=job.cell,
        session=job.session,
        process=job.process,
        block=job.block,
        step_time_s=tuple(done["step_time_s"]),
        status=done["status"],
        warmup_steps=done.get("warmup_steps", 0),
        window_steps=done.get("window_steps", 1),
        phases=done.get("phases", {}),
        memory=done.get("memory", {}),
        energy=done.get("energy", {}),
        settings=done.get("settings", {}) | {"seed": job.seed},
        environment=around,
        error=done["error"],
        purpose=job.purpose,
        details=done.get("details", {}),
        accuracy=done.get("accuracy", {}),
        guards=done.get("guards", {}),
        started_at=started_at,
        gpugap=__version__,
    )


def _variables(setting: Setting) -> dict[str, str]:
    """The child's environment variables: what has to be set before a process starts."""
    variables = os.environ | {HELD: "1"}
    if setting.allocator is not None and (file := preloadable_allocators().get(setting.allocator)):
        variables["LD_PRELOAD"] = " ".join(filter(None, [file, variables.get("LD_PRELOAD")]))
    if setting.onednn is not None:
        variables["TF_ENABLE_ONEDNN_OPTS"] = str(int(setting.onednn))
    return variables | dict(setting.variables)


Failure = tuple[str, dict[str, str]]


def _converse(job: Job, output: IO[bytes], on_phase: OnPhase) -> tuple[dict[str, Any] | None, Failure]:
    """The child's report, or None and how it failed."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", "gpugap.measure.worker", str(write_end)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=_variables(job.setting),
        pass_fds=(write_end,),
        start_new_session=True,
    )
    os.close(write_end)
    phase = "start"
    deadline = time.monotonic() + job.timeout_s
    try:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            _prefer_for_oom(child.pid)
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it died at once: the pipe's end says so below
                child.stdin.write(job.to_json().encode() + b"\n")
                child.stdin.flush()
            for message in _messages(pipe, child.pid, deadline):
                if "done" in message:
                    return message["done"], ("ok", {})
                phase = message["phase"]
                on_phase(phase)
        try:
            returncode = child.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None, _timeout(job, phase)
        return None, _death(returncode, phase, output)
    finally:
        _end(child)


def _messages(pipe: IO[bytes], pid: int, deadline: float) -> Iterator[dict[str, Any]]:
    """The child's messages until it ends, closes the pipe, or the deadline passes; asleep in between.

    The child's own end is watched where the kernel can tell it (Linux), since a process it started may outlive it and
    hold the pipe open.
    """
    pending = b""
    with contextlib.ExitStack() as stack:
        watched: list[Any] = [pipe]
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(pid)
            stack.callback(os.close, descriptor)
            watched.append(descriptor)
        while True:
            ready, _, _ = select.select(watched, [], [], max(0.0, deadline - time.monotonic()))
            chunk = pipe.read(1 << 20) if pipe in ready or _readable(pipe) else b""
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            yield from filter(None, map(_message, lines))


def _readable(pipe: IO[bytes]) -> bool:
    return bool(select.select([pipe], [], [], 0)[0])


def _message(line: bytes) -> dict[str, Any] | None:
    """A message of the child; None for anything else that a step wrote into its pipe."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) and content.keys() & {"phase", "done"} else None


def _prefer_for_oom(pid: int) -> None:
    """If memory runs out, the kernel shall end the measured process and nothing else (Linux)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()


def _timeout(job: Job, phase: str) -> Failure:
    message = f"no end after {duration(job.timeout_s)}, in phase {phase!r}; the process was stopped"
    return "timeout", {
        "code": StepTimeout.code,
        "message": message,
        "remedy": "raise --timeout or use a smaller --batch",
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _death(returncode: int, phase: str, output: IO[bytes]) -> Failure:
    if returncode == -signal.SIGKILL:
        message = f"the process was killed in phase {phase!r}, most likely for lack of memory"
        return "out-of-memory", {"code": OutOfMemory.code, "message": message, "remedy": "use a smaller --batch"}
    reason = f"signal {_signal_name(-returncode)}" if returncode < 0 else f"exit status {returncode}"
    output.seek(0)
    lines = [line for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    said = redacted(lines[-1])[:200] if lines else "no output"
    message = f"the process died with {reason} in phase {phase!r}: {said}"
    return "killed", {"code": ProcessDied.code, "message": message, "remedy": "run the step by hand to see why"}


def probe(framework: str) -> dict[str, Any]:
    """Versions and devices of a framework, asked in a child process so that this one stays light.

    Returns:
        ``versions`` (name to version) and ``devices`` (fields of `gpugap.core.setting.Device`).

    Raises:
        Unsupported: the framework does not start.
    """
    command = [sys.executable, "-P", "-m", "gpugap.measure.probe", framework]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise Unsupported(
            f"{framework} did not start within 5 minutes", "try it by hand: python -c 'import ...'"
        ) from error
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or [f"exit status {answer.returncode}"]
        raise Unsupported(f"{framework} does not start: {redacted(lines[-1])[:300]}", "reinstall it")
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found
