"""Whatever a step does to its process, the parent gets a record, and soon."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from factories import make_job
from gpugap.core.errors import Unsupported
from gpugap.core.setting import Setting
from gpugap.core.version import __version__
from gpugap.measure import worker
from gpugap.measure.runner import probe, run_job
from gpugap.sensors.libraries import ALLOCATOR_PACKAGES, preloadable_allocators

TESTS = Path(__file__).parents[1]
HANG_GUARD_S = 60
"""Far beyond what anything here takes; only a hang reaches it."""


def gone(pid: int) -> bool:
    """Waits until a process has ended, or the guard's time is over."""
    deadline = time.monotonic() + HANG_GUARD_S
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_a_built_in_workload_gives_a_full_record():
    phases: list[str] = []
    record = run_job(make_job(warmup_steps=2, steps=5), {"machine": "m1"}, phases.append)
    assert (record.status, record.error) == ("ok", None)
    assert phases == ["import", "build", "first step", "warm-up", "steps"]
    assert len(record.step_time_s) == 7
    assert (record.warmup_steps, record.window_steps) == (2, 1)
    assert all(time > 0 for time in record.step_time_s)
    assert set(record.phases) == {"import_s", "build_s", "first_step_s"}
    assert (record.purpose, record.details) == ("timing", {})
    assert isinstance(record.guards["tags"], list)
    assert record.environment["machine"] == "m1"
    assert len(record.environment["load_average"]) == 3
    assert record.environment["versions"]["python"].startswith("3.")
    assert record.settings["seed"] == 0
    assert record.gpugap == __version__
    assert record.started_at.endswith("+00:00")
    assert (record.session, record.process, record.block) == ("s1", 0, 0)


def test_a_look_inside_gives_no_replicate():
    phases: list[str] = []
    record = run_job(make_job(purpose="details", warmup_steps=1, steps=2), {}, phases.append)
    assert (record.status, record.error, record.purpose) == ("ok", None, "details")
    assert phases == ["import", "build", "first step", "warm-up", "memory", "energy", "phases"]
    assert (record.step_time_s, record.mean_step_time_s) == ((), None)
    assert record.memory["peak_rss_bytes"] > 2**20
    assert record.energy["sensor"]
    assert record.energy["energy_j"] is None or record.energy["energy_j"] > 0
    assert all(len(times) == 2 for times in record.details["phases_s"].values())
    assert len(record.details["loading_s"]) == len(record.details["pipeline_step_time_s"]) == 2


def test_without_warm_up():
    record = run_job(make_job(warmup_steps=0, steps=2), {})
    assert (len(record.step_time_s), record.warmup_steps, record.status) == (2, 0, "ok")


def test_a_users_file_is_run_with_batch_and_device(step_file, tmp_path: Path):
    file = step_file(
        f"open({str(tmp_path / 'seen')!r}, 'a').write(f'{{batch_size}} {{device}}\\n')\nreturn lambda: 1.5"
    )
    record = run_job(make_job(file, batch=24), {})
    assert record.status == "ok"
    assert (tmp_path / "seen").read_text() == "24 cpu\n"


def test_every_process_is_a_fresh_one(step_file, tmp_path: Path):
    file = step_file(f"import os\nopen({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')\nreturn lambda: 1")
    for process in range(2):
        assert run_job(make_job(file, process=process), {}).status == "ok"
    pids = (tmp_path / "pids").read_text().split()
    assert len(set(pids)) == 2
    assert str(os.getpid()) not in pids


def test_the_step_runs_once_first_then_for_warm_up_and_window(step_file, tmp_path: Path):
    count = tmp_path / "count"
    file = step_file(f"return lambda: open({str(count)!r}, 'a').write('x') and None")
    run_job(make_job(file, warmup_steps=2, steps=4), {})
    assert count.read_text() == "x" * 7


def test_a_step_imports_its_neighbors_and_may_be_any_object(step_file, tmp_path: Path):
    (tmp_path / "neighbor.py").write_text("VALUE = 2.0\n")
    file = step_file("import neighbor\nfrom gpugap import Step\nreturn Step(None, run=lambda step: neighbor.VALUE)")
    assert run_job(make_job(file), {}).status == "ok"


COUNTING = """
count = [0]
def step():
    count[0] += 1
    if count[0] == {when}:
        {what}
    return 1.0
return step
"""


def misbehaving(step_file, what: str, when: int, setup: str = ""):
    """A step that does something at its n-th call; call 1 is the first step, 2 to 4 warm-up, the rest the window."""
    return make_job(step_file(setup + COUNTING.format(what=what, when=when)), warmup_steps=3, steps=4, timeout_s=30)


@pytest.mark.parametrize(("when", "kept"), [(1, 0), (2, 0), (5, 3)])
def test_a_step_that_raises(step_file, when: int, kept: int):
    record = run_job(misbehaving(step_file, "raise KeyError('no such key')", when), {})
    assert record.status == "failed"
    assert record.error["code"] == "step-raised"
    assert "KeyError" in record.error["message"]
    assert "own.py:6" in record.error["message"]
    assert len(record.step_time_s) == kept
    assert record.mean_step_time_s is None


@pytest.mark.parametrize(("what", "name"), [("raise SystemExit(0)", "SystemExit"), ("raise KeyboardInterrupt", "Keyb")])
def test_a_step_that_tries_to_end_the_program(step_file, what: str, name: str):
    record = run_job(misbehaving(step_file, what, 2), {})
    assert (record.status, record.error["code"]) == ("failed", "step-raised")
    assert name in record.error["message"]


@pytest.mark.parametrize("when", [1, 8])
@pytest.mark.parametrize("number", ["float('nan')", "float('-inf')", "__import__('numpy').float32('nan')"])
def test_a_step_that_returns_nan_or_infinity(step_file, number: str, when: int):
    record = run_job(misbehaving(step_file, f"return {number}", when), {})
    assert (record.status, record.error["code"]) == ("not-finite", "not-finite")
    assert record.mean_step_time_s is None


@pytest.mark.parametrize("result", ["10**400", "True", "None", "'text'", "[float('nan')]"])
def test_a_step_that_returns_something_else_is_fine(step_file, result: str):
    assert run_job(make_job(step_file(f"return lambda: {result}")), {}).status == "ok"


@pytest.mark.parametrize(
    "what",
    ["import time; time.sleep(3600)", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"],
    ids=["asleep", "deaf"],
)
def test_a_step_that_hangs(step_file, what: str):
    job = make_job(step_file(COUNTING.format(what=what, when=2)), timeout_s=2)
    record = run_job(job, {})
    assert (record.status, record.error["code"]) == ("timeout", "timeout")
    assert "2 s" in record.error["message"]
    assert "'warm-up'" in record.error["message"]


def test_a_file_that_hangs_while_it_is_imported(tmp_path: Path):
    file = tmp_path / "own.py"
    file.write_text("import time\ntime.sleep(3600)\nmake_step = 0\n")
    record = run_job(make_job(file, timeout_s=2), {})
    assert record.status == "timeout"
    assert "'build'" in record.error["message"]


def test_what_a_late_step_started_ends_with_it(step_file, tmp_path: Path):
    pid = tmp_path / "pid"
    start = f"import subprocess, time; open({str(pid)!r}, 'w').write(str(subprocess.Popen(['sleep', '3600']).pid)); "
    record = run_job(make_job(step_file(COUNTING.format(what=start + "time.sleep(3600)", when=1)), timeout_s=3), {})
    assert record.status == "timeout"
    assert gone(int(pid.read_text()))


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("import os; os._exit(0)", "exit status 0"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
    ],
)
def test_a_process_that_dies(step_file, what: str, told: str):
    record = run_job(misbehaving(step_file, what, 5), {})
    assert (record.status, record.error["code"]) == ("killed", "process-died")
    assert told in record.error["message"]
    assert "'steps'" in record.error["message"]


def test_last_words_are_told(step_file):
    what = "import os, sys; print('so long\\n', file=sys.stderr, flush=True); os._exit(1)"
    assert "so long" in run_job(misbehaving(step_file, what, 1), {}).error["message"]


def test_a_process_killed_from_outside_most_likely_ran_out_of_memory(step_file):
    record = run_job(misbehaving(step_file, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 2), {})
    assert (record.status, record.error["code"]) == ("out-of-memory", "out-of-memory")
    assert "smaller --batch" in record.error["remedy"]


def test_a_step_that_asks_for_more_memory_than_there_is(step_file):
    record = run_job(misbehaving(step_file, "bytearray(10**15)", 2), {})
    assert (record.status, record.error["code"]) == ("out-of-memory", "out-of-memory")


def test_a_built_in_batch_beyond_memory_is_refused_before_it_is_made():
    record = run_job(make_job(batch=2**31 - 1), {})
    assert record.status == "out-of-memory"
    assert "2147483647" in record.error["message"]


def test_a_step_that_prints_a_lot_does_not_block(step_file):
    what = "import sys; print('x' * 10**7, flush=True); print('y' * 10**7, file=sys.stderr, flush=True)"
    assert run_job(misbehaving(step_file, what, 2), {}).status == "ok"


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("return 42", "bad-step-file", "returned int"),
        ("from gpugap import Step\nreturn Step(None, mode='inference')", "bad-step-file", "asked for train"),
        ("from gpugap import Step\nreturn Step(None, mode='sleep')", "bad-value", "sleep"),
        ("raise RuntimeError('no data here')", "step-raised", "no data here"),
        ("import no_such_module_anywhere", "step-raised", "no_such_module_anywhere"),
        ("import sys; sys.exit('bye')", "step-raised", "SystemExit"),
    ],
)
def test_a_factory_that_does_not_give_a_step(step_file, body: str, code: str, told: str):
    record = run_job(make_job(step_file(body)), {})
    assert (record.status, record.error["code"]) == ("failed", code)
    assert told in record.error["message"]


def test_a_name_that_is_no_factory(tmp_path: Path):
    file = tmp_path / "own.py"
    file.write_text("make_step = 3\n")
    assert "'int' object is not callable" in run_job(make_job(file), {}).error["message"]


def test_a_step_plain_python_cannot_run(step_file):
    body = "from gpugap import Step\nreturn Step(object(), loss=print, batch=(1, 2))"
    record = run_job(make_job(step_file(body)), {})
    assert (record.status, record.error["code"]) == ("unsupported", "unsupported")


def test_ctrl_c_ends_the_child_first(step_file, tmp_path: Path):
    pid = tmp_path / "pid"
    file = step_file(
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\nreturn lambda: time.sleep(3600)"
    )

    def interrupt(phase: str) -> None:
        if phase == "first step":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(make_job(file), {}, interrupt)
    assert gone(int(pid.read_text()))


@pytest.mark.timeout(3 * HANG_GUARD_S)
def test_the_child_dies_with_a_killed_parent(step_file, tmp_path: Path):
    body = "import os, time\nprint('here')\nopen({!r}, 'w').write(str(os.getpid()))\nreturn lambda: time.sleep(3600)"
    file = step_file(body.format(str(tmp_path / "pid")))
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from factories import make_job; from gpugap.measure.runner import run_job\n"
        "run_job(make_job(Path(sys.argv[2]), timeout_s=3600), {}, lambda phase: print(phase, flush=True))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(TESTS), str(file)], stdout=subprocess.PIPE, text=True)
    while parent.stdout.readline() != "first step\n":
        assert parent.poll() is None
    child = int((tmp_path / "pid").read_text())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    assert gone(child)


def test_the_parent_sleeps_while_the_child_runs(step_file):
    """A busy parent would take a core from what it measures."""
    file = step_file("import time\nreturn lambda: time.sleep(0.2)")
    before = os.times()
    run_job(make_job(file, warmup_steps=0, steps=5), {})
    after = os.times()
    parent_s = after.user + after.system - before.user - before.system
    assert parent_s < (after.elapsed - before.elapsed) / 2


def test_probe_tells_versions_and_devices():
    found = probe("null")
    assert found["versions"]["python"].startswith("3.")
    assert [device["name"] for device in found["devices"]] == ["cpu"]


def test_probe_of_something_that_does_not_start():
    with pytest.raises(Unsupported, match="nothing-at-all does not start"):
        probe("nothing-at-all")


def test_a_signal_without_a_name(step_file):
    record = run_job(misbehaving(step_file, "import os; os.kill(os.getpid(), 40)", 2), {})
    assert (record.status, record.error["code"]) == ("killed", "process-died")
    assert "40" in record.error["message"]


def test_a_process_that_dies_while_its_own_child_lives_on(step_file):
    """A data loader's worker must not keep the parent waiting for a step that is long dead."""
    what = "import os, time; os.fork() or time.sleep(3600); os._exit(3)"
    begin = time.monotonic()
    record = run_job(make_job(step_file(COUNTING.format(what=what, when=1)), timeout_s=8), {})
    assert (record.status, record.error["code"]) == ("killed", "process-died")
    assert time.monotonic() - begin < 7  # otherwise it slept until the job's limit


def test_a_step_that_writes_into_the_pipe_to_the_parent(step_file):
    what = "import os, sys; os.write(int(sys.argv[1]), b'hello\\n')"
    record = run_job(misbehaving(step_file, what, 2), {})
    assert record.status in ("ok", "failed", "killed")


def test_a_step_that_reads_standard_input(step_file):
    record = run_job(make_job(step_file(COUNTING.format(what="input()", when=2)), timeout_s=3), {})
    assert (record.status, record.error["code"]) == ("failed", "step-raised")
    assert "EOFError" in record.error["message"]


def test_a_step_that_closes_every_file_and_hangs(step_file):
    """The parent must not wait longer than the job's own limit."""
    file = step_file(COUNTING.format(what="import os, time; os.closerange(3, 99); time.sleep(3600)", when=2))
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from factories import make_job; from gpugap.measure.runner import run_job\n"
        "print(run_job(make_job(Path(sys.argv[2]), timeout_s=1), {}).status)\n"
    )
    command = [sys.executable, "-c", script, str(TESTS), str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    assert answer.stdout.strip() in ("timeout", "killed")


@pytest.mark.parametrize("name", sorted(preloadable_allocators()) or ["none"])
def test_an_allocator_is_loaded_before_the_process_starts(name: str):
    if name == "none":
        pytest.skip("neither tcmalloc nor jemalloc is installed")
    with_it = run_job(make_job(setting=Setting(allocator=name)), {"allocator": "system"})
    assert (with_it.status, with_it.environment["allocator"]) == ("ok", name)
    assert run_job(make_job(), {}).environment["allocator"] == "system"


def test_an_allocator_that_cannot_be_loaded_is_told():
    record = run_job(make_job(setting=Setting(allocator="hoard")), {})
    assert (record.status, record.error["message"]) == ("unsupported", "hoard cannot be loaded here")
    assert record.error["remedy"] == "name one of tcmalloc, jemalloc"


@pytest.mark.parametrize(("name", "package"), ALLOCATOR_PACKAGES.items())
def test_what_to_install_is_the_allocator_that_was_asked_for(name: str, package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "allocator", lambda: "system")
    with pytest.raises(Unsupported) as error:
        worker._check_allocator(Setting(allocator=name))
    assert error.value.remedy == f"install it: apt install {package}"


@pytest.mark.parametrize(("onednn", "told"), [(True, "1"), (False, "0"), (None, "as it was")])
def test_onednn_is_chosen_before_the_process_starts(onednn, told, step_file, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "as it was")
    file = step_file("import os\nraise RuntimeError(os.environ['TF_ENABLE_ONEDNN_OPTS'])")
    record = run_job(make_job(file, setting=Setting(onednn=onednn)), {})
    assert record.error["message"].endswith(f": {told}")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel tells no peak of a process")
def test_the_peak_of_memory_is_the_childs_own(step_file):
    """A process begins with the peak that its parent had, as ``getrusage`` tells it."""
    ballast = bytearray(400 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    record = run_job(misbehaving(step_file, "pass", 1), {})
    assert record.memory["peak_rss_bytes"] < len(ballast)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no processes")
def test_cores_of_which_some_are_not_there_are_refused(step_file):
    job = misbehaving(step_file, "pass", 1)
    mine = min(os.sched_getaffinity(0))
    record = run_job(replace(job, setting=replace(job.setting, cores=(mine, 10**5))), {})
    assert record.status == "unsupported"
    assert "not this process's" in record.error["message"]
