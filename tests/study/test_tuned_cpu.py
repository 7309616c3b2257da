"""What tuning found takes the place of the fixed tuning: in what is measured, compared, predicted and planned."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import pytest

from factories import make_cell, make_record
from gpugap.core.errors import UnknownName
from gpugap.core.estimate import Estimate, unknown
from gpugap.core.setting import Setting
from gpugap.explain.cells import summarize
from gpugap.explain.pairs import baseline_pairs, match
from gpugap.measure.plan import Effort
from gpugap.measure.rates import HostRates
from gpugap.measure.spread import Host, Known, Request, spread
from gpugap.measure.target import parse_target
from gpugap.sensors.environment import capture
from gpugap.study import prepare
from gpugap.study.own_cpu import own_cpu, runs_here, sought
from gpugap.study.presets import PRESETS
from gpugap.tune.profile import Profile, save_profile

HOST = Host(6, native_bf16=True, devices=("cpu", "cuda"))
FOUND = Known(Setting("bf16", 2, flush_denormals=True), "compile", "abcd")


def cells(**changes):
    known = {"device": "cpu", "mode": "train", "batch": 8, "known": FOUND} | changes
    request = Request(parse_target("conv6"), "torch", known.pop("device"), **known)
    return spread(request, HOST, "synthetic")


def tunings(**changes) -> list[str]:
    return [one.cell.tuning for one in cells(**changes)]


def test_what_was_found_takes_the_place_of_the_fixed_tuning():
    default, tuned = cells()
    assert (default.cell.tuning, tuned.cell.tuning) == ("default", "tuned")
    assert (tuned.setting, tuned.cell.execution, tuned.cell.precision) == (FOUND.setting, "compile", "bf16")
    assert dict(tuned.cell.extra) == {"profile": "abcd"}
    assert default.cell.execution == "eager"
    assert tunings(known=None) == ["default", "tuned-basic"]
    assert tunings(device="cuda") == ["default", "tuned"]


def test_comparing_frameworks_keeps_its_own_tunings():
    assert "tuned" not in tunings(compared=True)


@pytest.mark.parametrize("known", [FOUND, None])
def test_one_side_of_the_cpu(known: Known | None):
    both = tunings(known=known)
    assert tunings(known=known, cpu="default") == ["default"]
    assert tunings(known=known, cpu="tuned") == both[1:]
    assert tunings(known=known, device="cuda", cpu="tuned") == tunings(known=known, device="cuda")
    with pytest.raises(UnknownName, match="fast"):
        tunings(cpu="fast")


@pytest.fixture
def one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    device = {"name": "cpu", "model": "x", "memory_bytes": None, "details": {}}
    monkeypatch.setattr(prepare, "probe", lambda name: {"versions": {name: "2.13.0"}, "devices": [device]})
    monkeypatch.setattr(prepare, "check_name", lambda name: None)
    monkeypatch.setattr(prepare, "capture", lambda: {"machine": "m1"})


def profile(**changes) -> Profile:
    known = {"machine": "m1", "workload": "conv6@32", "code": "", "framework": "torch", "device": "cpu"}
    known |= {"mode": "train", "batch": 128, "precision": "fp32", "versions": {"torch": "2.13.0"}}
    return Profile(**(known | changes), setting=FOUND.setting, execution="compile", result={})


def planned(cpu: str = "both") -> dict[tuple[str, str], list[str]]:
    chosen = PRESETS["quick"]
    found = prepare.prepare_study(chosen, Effort(), frameworks=["torch"], device=None, cpu=cpu).plan.cells
    sides: dict[tuple[str, str], list[str]] = {}
    for one in found:
        sides.setdefault((one.cell.workload, one.cell.mode), []).append(one.cell.tuning)
    return sides


def test_a_study_runs_the_profile_of_this_machine(one_machine: None):
    save_profile(profile())
    found = planned()
    assert found["conv6@32", "train"] == ["default", "tuned"]
    assert "tuned" not in found["conv6@32", "inference"]
    assert "tuned" not in found["vgg16@32", "train"]
    assert planned("tuned")["conv6@32", "train"] == ["tuned"]
    assert set(map(tuple, planned("default").values())) == {("default",)}


def test_a_measurement_runs_it_too_unless_another_mode_is_asked_for(one_machine: None):
    save_profile(profile())

    def asked(**changes) -> list[str]:
        factors = {"mode": "train", "batch": 64, "precision": "fp32", "execution": None} | changes
        found = prepare.prepare_measure("conv6", Effort(), framework="torch", device="cpu", factors=factors)
        return [one.cell.tuning for one in found.plan.cells]

    assert asked() == ["default", "tuned"]
    assert "tuned" not in asked(execution="compile")
    assert "tuned" not in asked(precision="bf16")


@pytest.mark.parametrize("change", [{"machine": "m2"}, {"versions": {"torch": "2.14.0"}}])
def test_a_profile_of_another_machine_or_version_is_not_run(one_machine: None, change: dict):
    save_profile(profile(**change))
    assert planned()["conv6@32", "train"] != ["default", "tuned"]


DEFAULT = make_cell(framework="torch")
TUNED = replace(DEFAULT, tuning="tuned", precision="bf16", execution="compile", extra=(("profile", "abcd"),))
CUDA = replace(DEFAULT, device="cuda")


def summaries():
    return summarize(
        make_record(number, cell=cell, times=(time_s * (1 + 0.001 * number),) * 3)
        for cell, time_s in ((DEFAULT, 0.4), (TUNED, 0.1), (CUDA, 0.02))
        for number in range(4)
    )


def test_a_gpu_is_held_against_the_default_and_the_tuned_cpu():
    found = {(pair.a.cell.tuning, pair.b.cell): pair.comparison.speedup.value for pair in baseline_pairs(summaries())}
    assert found == {
        ("default", TUNED): pytest.approx(4),
        ("default", CUDA): pytest.approx(20),
        ("tuned", CUDA): pytest.approx(5),
    }


def test_across_files_too():
    default, tuned, cuda = summaries()
    pairs = {
        (a.cell.tuning, b.cell.device)
        for a, b in match([default, tuned], [cuda, replace(cuda, cell=replace(CUDA, batch=16))])
    }
    assert {("default", "cuda"), ("tuned", "cuda")} <= pairs


def test_a_tuned_cell_was_held_against_its_baseline_when_it_was_tuned():
    pair = next(pair for pair in baseline_pairs(summaries()) if pair.b.cell == TUNED)
    assert pair.proved(frozenset()).verified is None


RATES = HostRates(1e11, 1e10, 4e10, 1e-5, 2)
PROVED = {
    "cell": make_cell(framework="torch", batch=128, precision="fp32", tuning="default", execution="eager").to_dict(),
    "gain": {"speedup": Estimate(2.5, 2.4, 2.6, 0.95, "1", "measured", "t", 5).to_dict(), "verdict": "faster"},
    "gain_same_allocator": None,
    "adopted": True,
    "ladder": [],
    "baseline_step_time_s": Estimate(0.5, 0.49, 0.51, 0.95, "s", "measured", "t", 5).to_dict(),
    "tuned_step_time_s": Estimate(0.2, 0.19, 0.21, 0.95, "s", "measured", "t", 5).to_dict(),
    "memory": unknown("1", "no peak").to_dict(),
    "equality": {},
    "recipe": {},
}


def proved_here(**changes) -> None:
    """A profile of this machine and this PyTorch, with its proof."""
    known = {"machine": capture()["machine"], "versions": {"torch": version("torch")}, **changes}
    save_profile(replace(profile(**known), result=PROVED))


def of_cpu(mean: float, batch: int = 128, **factors):
    cell = make_cell(framework="torch", batch=batch, **factors)
    return make_record(times=(mean, mean), cell=cell, environment={"machine": capture()["machine"]})


def ran(*records, batch: int = 128, cpu: str = "both") -> dict[tuple[str, int], float]:
    found = runs_here(records, sought("conv6", "train", batch, cpu))
    return {(one.cell.tuning, one.cell.batch): one.step_time.value for one in found}


def test_times_of_an_older_version_of_the_framework_do_not_count():
    machine = capture()["machine"]

    def of(torch: str, time_s: float, when: str, **fields):
        around = {"machine": machine, "versions": {"torch": torch}}
        return replace(of_cpu(time_s), environment=around, started_at=when, session=torch, **fields)

    old, new = of("2.5", 0.6, "2026-01-01"), of("2.13", 0.3, "2026-02-01")
    died = replace(of_cpu(0.1), status="killed", started_at="2026-03-01", process=7)
    for records in ((old, new, died), (new, died, old)):
        assert ran(*records) == pytest.approx({("default", 128): 0.3})


@pytest.mark.torch
def test_what_was_proved_stands_beside_records():
    pytest.importorskip("torch")
    assert ran() == {}
    proved_here()
    assert ran() == {("default", 128): 0.5, ("tuned", 128): 0.2}
    assert ran(cpu="tuned") == {("tuned", 128): 0.2}
    assert ran(cpu="default") == {("default", 128): 0.5}
    basic = of_cpu(0.3, tuning="tuned-basic")
    assert ran(basic, of_cpu(0.6, tuning="default")) == pytest.approx({("default", 128): 0.6, ("tuned", 128): 0.2})
    elsewhere = of_cpu(0.1, batch=32, tuning="tuned-basic")
    assert ran(elsewhere)["tuned-basic", 32] == pytest.approx(0.1)
    for digest, time_s in (("abcd", 0.2), (profile().digest, 0.25)):  # of an older profile, and of this one
        factors = {"precision": "bf16", "execution": "compile", "profile": digest}
        assert ran(of_cpu(0.25, tuning="tuned", **factors))["tuned", 128] == pytest.approx(time_s)
    bf16 = of_cpu(0.1, tuning="default", precision="bf16")
    assert len(runs_here((bf16,), sought("conv6", "train", 128))) == 3
    assert runs_here((), sought("vgg16", "train", 128)) == []
    assert runs_here((), sought("conv6", "inference", 128)) == []


@pytest.mark.torch
@pytest.mark.parametrize("change", [{"machine": "another"}, {"versions": {"torch": "1.0"}}])
def test_a_proof_of_another_machine_or_version_is_none(change: dict):
    pytest.importorskip("torch")
    proved_here(**change)
    assert ran() == {}


@pytest.mark.torch
def test_a_prediction_is_held_against_the_proof():
    pytest.importorskip("torch")
    proved_here()
    own = own_cpu((), sought("conv6", "train", 128), rates=RATES)
    assert (own.setup, own.measured[128].value, own.measured[128].kind) == ("bf16 tuned compile", 0.2, "measured")
    assert [one.label for one in own.setups] == ["fp32 default", "bf16 tuned compile"]
    assert own_cpu((), sought("conv6", "train", 128, "default"), rates=RATES).setup == "fp32 default"
    assert own_cpu((), sought("conv6", "train", 16), rates=RATES).measured.keys() == {128}
    with pytest.raises(UnknownName, match="fast"):
        sought("conv6", "train", 128, "fast")


@pytest.mark.torch
def test_a_plan_has_the_tuned_cpu_as_an_option():
    pytest.importorskip("torch")
    from gpugap.study.plan import plan

    proved_here()
    asked = {"epochs": 10, "samples": 50_000, "batch": 128, "gpus": ["t4"], "usd_per_kwh": 0.2}

    def own(**changes) -> dict[str, float]:
        found = plan("conv6", **asked, **changes)
        return {one.worker.key: one.worker.step_time.value for one in found if one.worker.gpu is None}

    assert own() == {"cpu fp32 default": 0.5, "cpu bf16 tuned compile": 0.2}
    assert own(cpu="tuned") == {"cpu bf16 tuned compile": 0.2}
    other = plan("conv6", **(asked | {"batch": 64}), cpu="tuned")
    assert any("gpugap tune conv6 --batch 64" in one.told for one in other.excluded)
