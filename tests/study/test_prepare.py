"""From what was asked for to a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpugap.core.errors import BadStepFile, BadValue, MissingExtra, UnknownName, Unsupported
from gpugap.measure.plan import Effort
from gpugap.study import prepare
from gpugap.study.prepare import chosen_frameworks, prepare_measure, prepare_study, preset
from gpugap.study.presets import PRESETS
from gpugap.workloads import workload

EFFORT = Effort(processes=3)
FACTORS = {"mode": "train", "batch": 8, "precision": "fp32"}


def with_devices(*names: str):
    """A probe that finds these devices."""
    return lambda framework: {
        "versions": {framework: "1.0"},
        "devices": [{"name": name, "model": "x", "memory_bytes": None, "details": {}} for name in names],
    }


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prepare, "probe", with_devices("cpu", "cuda:0", "cuda:1"))
    monkeypatch.setattr(prepare, "check_name", lambda name: None)


def asked(name: str, device: str | None = None, framework: str | None = "null", **factors):
    return prepare_measure(name, EFFORT, framework=framework, device=device, factors=FACTORS | factors)


def test_a_users_file_is_planned_under_plain_python(step_file):
    found = asked(str(step_file("return lambda: 1")), framework=None)
    (cell,) = (one.cell for one in found.plan.cells)
    assert (cell.framework, cell.device, cell.data, cell.tuning) == ("null", "cpu", "own", "default")
    assert found.plan.machine.startswith(found.environment["machine"])
    assert found.environment["versions"] == found.plan.versions
    assert found.environment["devices"][0]["name"] == "cpu"
    assert len(found.plan.jobs("s")) == 3


def test_one_device_of_each_kind_is_taken(two_gpus):
    cells = [one.cell for one in asked("conv6", framework="torch").plan.cells]
    assert [(cell.device, cell.tuning) for cell in cells] == [
        ("cpu", "default"),
        ("cpu", "tuned-basic"),
        ("cuda:0", "default"),
    ]


@pytest.mark.parametrize(("device", "taken"), [("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")])
def test_the_device_asked_for_is_taken(two_gpus, device: str, taken: str):
    assert {one.cell.device for one in asked("conv6", device, "torch").plan.cells} == {taken}


def test_the_only_gpu_may_be_called_by_its_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prepare, "probe", with_devices("cpu", "cuda"))
    assert {one.cell.device for one in asked("conv6", "cuda:0").plan.cells} == {"cuda"}


def test_a_device_that_is_not_here(two_gpus):
    with pytest.raises(Unsupported, match="mps"):
        asked("conv6", "mps", "torch")
    with pytest.raises(UnknownName, match="cuda:2"):
        asked("conv6", "cuda:2", "torch")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "conv7"}, UnknownName),
        ({"name": "none.py"}, BadStepFile),
        ({"framework": "keras"}, UnknownName),
        ({"device": "gpu"}, UnknownName),
        ({"batch": 0}, BadValue),
        ({"mode": "dream"}, UnknownName),
        ({"precision": "fp8"}, UnknownName),
    ],
)
def test_bad_values_are_told_before_the_framework_starts(change: dict, error: type, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prepare, "probe", lambda framework: pytest.fail("the framework was started"))
    with pytest.raises(error):
        asked(**({"name": "conv6"} | change))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_can_be_planned(two_gpus, name: str):
    chosen = preset(name)
    found = prepare_study(chosen, chosen.effort, frameworks=["torch"], device=None)
    assert {one.cell.device for one in found.plan.cells} == {"cpu", "cuda:0"}
    assert len(found.plan.cells) == 3 * len(chosen.cells)
    assert {one.cell.workload for one in found.plan.cells} == {workload(cell[0]).name for cell in chosen.cells}
    assert len({one.cell.key for one in found.plan.cells}) == len(found.plan.cells)
    assert chosen.about


def test_several_frameworks_are_compared_in_an_unfused_and_a_fused_mode(two_gpus):
    chosen = preset("quick")
    names = ["torch", "tensorflow", "jax"]
    alone = prepare_study(chosen, chosen.effort, frameworks=names[:1], device="cpu").plan.cells
    found = [one.cell for one in prepare_study(chosen, chosen.effort, frameworks=names, device="cpu").plan.cells]
    assert {one.cell for one in alone} < set(found)
    assert len(set(found)) == len(found)
    for name in ("conv6@32", "resnet18@32"):
        for batch in (1, 32):
            sides = {(c.framework, c.execution) for c in found if c.work == (name, "inference", batch)}
            assert sides == {
                ("torch", "eager"),
                ("torch", "compile"),
                ("tensorflow", "eager"),
                ("tensorflow", "unfused"),
                ("tensorflow", "function"),
                ("jax", "op-by-op"),
                ("jax", "jit"),
            }
    assert {c.framework for c in found if c.mode == "train"} == {"torch"}
    assert chosen.budget_for(3) > chosen.budget_for(1)


def test_frameworks_are_named_or_all(monkeypatch: pytest.MonkeyPatch):
    wrong = {"tensorflow": MissingExtra("keras", "tensorflow")}

    def check_name(name):
        if name in wrong:
            raise wrong[name]

    monkeypatch.setattr(prepare, "check_name", check_name)
    assert chosen_frameworks("all") == (("torch", "jax"), wrong)
    assert chosen_frameworks("jax, torch,jax") == (("jax", "torch"), {})
    with pytest.raises(MissingExtra, match="keras"):
        chosen_frameworks("torch,tensorflow")
    wrong["torch"] = Unsupported("torch 1.0 is too old", "newer")
    assert chosen_frameworks("all")[0] == ("jax",)
    wrong["jax"] = MissingExtra("jax", "jax")
    with pytest.raises(Unsupported, match="too old"):
        chosen_frameworks("all")
    wrong |= dict.fromkeys(("torch", "tensorflow"), wrong["jax"])
    with pytest.raises(MissingExtra, match="gpugap"):
        chosen_frameworks("all")


def test_a_framework_that_does_not_start_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch):
    def probe(framework):
        if framework == "jax":
            raise Unsupported("jax does not start: undefined symbol", "reinstall it")
        return with_devices("cpu")(framework)

    monkeypatch.setattr(prepare, "probe", probe)
    monkeypatch.setattr(prepare, "check_name", lambda name: None)
    found = prepare_study(preset("quick"), EFFORT, frameworks=("torch", "jax", "null"), device=None)
    assert {planned.cell.framework for planned in found.plan.cells} == {"torch", "null"}
    assert list(found.left_out) == ["jax"]
    assert "undefined symbol" in found.left_out["jax"]
    with pytest.raises(Unsupported, match="undefined symbol"):
        prepare_study(preset("quick"), EFFORT, frameworks=("jax", "torch"), device=None)


def test_an_unknown_mode_is_told(two_gpus):
    with pytest.raises(UnknownName, match="compile"):
        asked("conv6", execution="compiled")


def test_an_unknown_preset_is_told():
    with pytest.raises(UnknownName, match="quick"):
        preset("quik")


def test_the_first_preset_has_enough_processes_for_an_interval_and_a_bound():
    assert PRESETS["quick"].effort.processes >= 5
    assert PRESETS["quick"].budget_s <= 15 * 60


def test_two_plans_of_the_same_request_are_equal(step_file):
    path: Path = step_file("return lambda: 1")
    assert asked(str(path)).plan.digest == asked(str(path)).plan.digest
    assert asked(str(path), batch=16).plan.digest != asked(str(path)).plan.digest


def test_without_a_network_interface_the_same_command_still_goes_on(step_file, monkeypatch: pytest.MonkeyPatch):
    """Python then makes up another number in every process, and no plan would equal the one before."""
    file, digests = str(step_file("return lambda: 1.0")), []
    for number, host in ((0x3DCC95FC8739, "a"), (0x03BFF1D114E0, "a"), (0x3DCC95FC8739, "b"), (0x025C95FC8739, "a")):
        monkeypatch.setattr("uuid.getnode", lambda number=number: number)
        monkeypatch.setattr("platform.node", lambda host=host: host)
        digests.append(asked(file).plan.digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
