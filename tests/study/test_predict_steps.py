"""``gpugap.predict``: what is said of a step on GPUs that are not here."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

import gpugap as gg
from factories import make_cell, make_record
from gpugap.catalog import gpu
from gpugap.core.errors import BadRecordFile, BadValue, InputError, NoKernel, UnknownName, Unsupported
from gpugap.core.oplist import START, AttentionCall, Storage, Traced, traced
from gpugap.sensors.environment import capture
from gpugap.store.exchange import to_line
from gpugap.study import outlook, predict
from gpugap.study.calibration import Wanted, read_calibration
from gpugap.study.forecasts import Training, crossover_words, why
from gpugap.study.own_cpu import Sought, own_cpu
from gpugap.study.tracing import Tracer
from prediction_samples import RATES, FakeTracer, estimate, forecasts, on_gpu, oplist

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture
def fake(monkeypatch):
    """The latency model, the tracer and the CPU's rates made up."""
    monkeypatch.setattr(predict, "step_on_gpu", on_gpu)
    monkeypatch.setattr(predict, "Tracer", FakeTracer)
    monkeypatch.setattr(outlook, "Tracer", FakeTracer)
    monkeypatch.setattr(outlook, "host_rates", lambda: RATES)
    monkeypatch.setattr("gpugap.study.own_cpu.host_rates", lambda: RATES)


def on_t4(process=0, *, times=(0.05, 0.05, 0.05), device="Tesla T4", **factors):
    known = {"framework": "torch", "device": "cuda:0", "batch": 32, "workload": "conv6@32"}
    environment = {"machine": "m2", "devices": [{"name": "cuda:0", "model": device}]}
    return make_record(process, times=times, cell=make_cell(**(known | factors)), environment=environment)


def test_parts_sum_and_runs_follow(fake):
    found = forecasts(samples=1000, epochs=2.5, include_copy=True)
    assert [one.prediction.gpu_id for one in found] == ["t4", "rtx-4090"]
    one = found["4090"]
    assert one is found["rtx-4090"] is found["GeForce RTX 4090"]
    assert math.fsum(one.prediction.parts_s.values()) == pytest.approx(one.step_time.value)
    assert one.prediction.parts_s["copy"] == pytest.approx(4 * 32 * 3 * 32 * 32 / 1e10)
    assert one.throughput.value == pytest.approx(32 / one.step_time.value)
    assert one.throughput.low == pytest.approx(32 / one.step_time.high)
    assert one.epoch_time.value == pytest.approx(32 * one.step_time.value)  # 31.25 steps, the last one whole
    assert one.run_time.high == pytest.approx(2.5 * 32 * one.step_time.high)
    assert (one.run_time.kind, one.run_time.level) == ("predicted", 0.9)
    with pytest.raises(UnknownName):
        found["h100-sxm"]


def test_optimizers_can_be_left_out(fake):
    whole, without = forecasts(["t4"]), forecasts(["t4"], with_optimizer=False)
    assert {op.phase for op in whole["t4"].prediction.ops} == {"forward", "backward", "optimizer"}
    assert {op.phase for op in without["t4"].prediction.ops} == {"forward", "backward"}


def test_the_sweep_and_what_follows_from_it(fake):
    measured = {32: estimate(0.0005, 1.01, "measured"), 128: estimate(0.2, 1.01, "measured")}
    one = forecasts(["t4"], measured=measured)["t4"]
    batches = [point.batch for point in one.sweep]
    assert batches == [1, 2, 4, 8, 16, 32, 64, 128]
    assert one.cpu is measured[32]
    assert one.sweep[5].cpu.kind == "measured"
    assert one.sweep[6].cpu.kind == "predicted"
    assert 32 < one.faster_from.value < 128
    assert str(round(one.faster_from.value)) in crossover_words(one.faster_from)
    many = forecasts([gpu.key for gpu in gpus_with_fp32()][:9])
    assert many.forecasts[0].sweep == ()
    assert "more than 8" in many.forecasts[0].faster_from.method


def gpus_with_fp32():
    from gpugap.catalog import gpus

    return [one for one in gpus() if one.fp32_tflops]


def test_every_gpu_with_the_facts_needed(fake, monkeypatch):
    def without(ops, device, host=None, **asked):
        if device.vendor != "NVIDIA":
            raise Unsupported(f"no facts of {device.name}", "")
        return on_gpu(ops, device, host, **asked)

    monkeypatch.setattr(predict, "step_on_gpu", without)
    with pytest.raises(Unsupported):
        gg.predict("conv6", ["t4", "rx-7900-xtx"])
    found = gg.predict("conv6", ["t4", "rx-7900-xtx", "4090"], skip_unsupported=True)
    assert [one.prediction.gpu_id for one in found] == ["rtx-4090", "t4"]  # the fastest first
    assert found.left_out == ("rx-7900-xtx: no facts of Radeon RX 7900 XTX",)


def test_attention_without_cuda_is_an_assumption(fake):
    found = gg.predict("conv6", ["t4", "rx-7900-xtx"])
    assert "attention" not in found["t4"].prediction.assumed
    assert "8.0" in found["rx-7900-xtx"].prediction.assumed["attention"]


def test_a_forced_kernel_must_run_on_the_gpu(fake, monkeypatch):
    calls = []

    def refusing(source, wish):
        calls.append(wish.capability)
        if wish.capability < (8, 0):
            raise NoKernel("the flash kernel cannot run this attention: too old")
        return Traced(replace(oplist(), attention={AttentionCall("float16", 64, False, False, True): "flash"}))

    from gpugap.frameworks.torch import trace

    monkeypatch.setattr(trace, "trace", refusing)
    monkeypatch.setattr(predict, "Tracer", Tracer)
    with pytest.raises(NoKernel) as found:
        gg.predict("conv6", ["4090", "t4"], attention="flash")
    assert found.value.exit_code == 3
    calls.clear()
    found = gg.predict("conv6", ["t4", "4090", "quadro-rtx-6000"], attention="flash", skip_unsupported=True)
    assert [one.prediction.gpu_id for one in found] == ["rtx-4090"]
    assert [text.partition(":")[0] for text in found.left_out] == ["t4", "quadro-rtx-6000"]
    assert calls.count((7, 5)) == 1  # refused once for all GPUs of a compute capability


def test_a_step_that_does_not_fit_says_so(fake, monkeypatch):
    """A time for a step that runs out of memory would be worth nothing."""

    class Large(FakeTracer):
        def trace(self, wish):
            first, second = (
                replace(oplist(batch), storages=(Storage(20 * 2**30, "parameter", START, None),))
                for batch in (wish.batch, 2 * wish.batch)
            )
            return traced(first, second)

    assert [one.fits for one in forecasts()] == ["FITS", "FITS"]
    monkeypatch.setattr(predict, "Tracer", Large)
    found = gg.predict("conv6", ["t4", "4090", "rx-7900-xtx"])
    assert [one.fits for one in found] == ["DOES NOT FIT", "FITS", None]
    assert "DOES NOT FIT" in repr(found)
    assert gg.predict("conv6", ["t4"], with_optimizer=False)["t4"].fits is None  # its state is held all the same


def test_a_table_and_its_reasons(fake):
    found = forecasts(samples=1000)
    text = repr(found)
    for said in ("this CPU", "roughly", "Tesla T4", "PREDICTED", "compute", "seen", "unseen"):
        assert said in text
    assert found._repr_html_().count("<tr>") == 4
    lines = "\n".join(why(found["t4"], 2))
    for said in ("conv", "(compute)", "compute peak", "×"):
        assert said in lines
    told = found.to_dict()
    assert [one["gpu_id"] for one in told["gpus"]] == ["t4", "rtx-4090"]
    assert told["uncounted_ops"] == []
    assert told["cpu"]["rates"]["flop_per_s"] == RATES.flop_per_s


def test_a_measured_step_removes_the_bias(fake, tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_text("\n".join(to_line(on_t4(n, times=(0.05, 0.05), workload="conv6@32")) for n in range(3)))
    plain = gg.predict("conv6", ["t4", "4090"])
    found = gg.predict("conv6", ["t4", "4090"], calibrate=path)
    assert found["t4"].step_time.value == pytest.approx(0.05)
    assert found["4090"].step_time == plain["4090"].step_time  # another GPU
    assert "record.jsonl, batch 32" in found["t4"].prediction.assumed["calibration"]
    other = gg.predict("conv6", ["t4"], batch=64, calibrate=str(path))["t4"].step_time.value
    ratio = other / gg.predict("conv6", ["t4"], batch=64)["t4"].step_time.value
    assert ratio == pytest.approx(0.05 / plain["t4"].step_time.value)  # measured at another batch
    part = {"with_optimizer": False, "include_copy": True}
    without, with_it = (gg.predict("conv6", ["t4"], **part, **more)["t4"] for more in ({}, {"calibrate": path}))
    parts = [one.step_time.value - one.prediction.parts_s["copy"] for one in (without, with_it)]
    assert parts[1] / parts[0] == pytest.approx(ratio)  # the record has the optimizer and no copy


WANTED = Wanted(("conv6@32",), "train", "fp32", 32, (gpu("t4"), gpu("4090")))


@pytest.mark.parametrize(
    ("records", "error", "said"),
    [
        ([on_t4(workload="resnet18@32")], BadValue, "resnet18@32, not conv6@32"),
        ([on_t4(mode="inference")], BadValue, "inference, not train"),
        ([on_t4(precision="fp16")], BadValue, "fp16, not fp32"),
        ([on_t4(framework="jax")], BadValue, "jax, not torch"),
        ([on_t4(execution="compile")], BadValue, "run by compile, not eager"),
        ([on_t4(tuning="tuned-basic")], BadValue, "tuned-basic, not as it comes"),
        ([on_t4(code="abc")], BadValue, "other code"),
        ([on_t4(device="NVIDIA A10")], BadValue, "on A10, not Tesla T4 or GeForce RTX 4090"),
        ([on_t4(device="Example GPU")], InputError, "no step measured on a GPU"),
        ([replace(on_t4(), environment=None)], InputError, "no step measured on a GPU"),
        ([make_record()], InputError, "no step measured on a GPU"),
        ([], InputError, "no step measured on a GPU"),
        ([on_t4(workload="vgg16@32", mode="inference"), on_t4(precision="bf16")], BadValue, "bf16, not fp32"),
    ],
)
def test_a_calibration_of_something_else_says_what_differs(records, error, said):
    with pytest.raises(error) as found:
        read_calibration(records, WANTED)
    assert said in str(found.value)


def test_the_nearest_batch_calibrates(tmp_path):
    records = [on_t4(batch=batch, times=(batch / 100, batch / 100)) for batch in (8, 64, 512)]
    found = read_calibration([*records, on_t4(gpu="4090", device="?")], replace(WANTED, batch=40))
    assert (found.gpu.key, found.batch, found.step_time.value) == ("rtx-4090", 32, pytest.approx(0.05))
    found = read_calibration(records, replace(WANTED, batch=50))
    assert (found.gpu.key, found.batch) == ("t4", 64)
    with pytest.raises(BadRecordFile):
        read_calibration(tmp_path / "none.jsonl", WANTED)


def test_this_cpu_is_this_machine_s():
    here = {"machine": capture()["machine"]}

    def cpu(process=0, mean=1.0, where=here, **factors):
        cell = make_cell(**({"framework": "torch"} | factors))
        return make_record(process, times=(mean, mean), cell=cell, environment=where)

    def found(*records, batch=8, code=""):
        return own_cpu(records, Sought(("conv6@32",), "train", batch, code), rates=RATES)

    assert found().measured == {}
    assert found(cpu(where={"machine": "another"})).measured == {}
    for other in ({"workload": "vgg16@32"}, {"mode": "inference"}, {"framework": "jax"}, {"code": "abc"}):
        assert found(cpu(**other)).measured == {}
    assert found(cpu(code="abc"), code="abc").measured != {}
    both = found(cpu(mean=1.0), cpu(mean=0.5, tuning="tuned-basic"), cpu(mean=0.2, tuning="allocator"))
    assert both.setup == "fp32 tuned-basic"
    assert both.measured[8].value == pytest.approx(0.5)
    assert [one.label for one in both.setups] == ["fp32 default", "fp32 tuned-basic"]
    near = found(cpu(batch=16), cpu(batch=256, mean=1.0, tuning="tuned-basic"), batch=32)
    assert near.setup == "fp32 default"


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"gpus": ["t5"]}, UnknownName, "t5"),
        ({"gpus": []}, BadValue, "no GPU"),
        ({"batch": 0}, BadValue, "batch 0"),
        ({"precision": "fp8"}, UnknownName, "fp8"),
        ({"method": "magic"}, UnknownName, "magic"),
        ({"attention": "triton"}, UnknownName, "triton"),
        ({"mode": "serve"}, UnknownName, "serve"),
        ({"epochs": 3}, BadValue, "epochs without samples"),
        ({"samples": 0}, BadValue, "samples 0"),
        ({"samples": 10, "epochs": float("nan")}, BadValue, "epochs nan"),
        ({"step": 3}, BadValue, "int is no step"),
    ],
)
def test_bad_values_are_told(fake, asked, error, said):
    with pytest.raises(error) as found:
        gg.predict(asked.pop("step", "conv6"), asked.pop("gpus", ["t4"]), **asked)
    assert said in str(found.value)


def test_an_epoch_is_of_whole_steps():
    assert Training(100).epoch(estimate(2.0), 64).value == 4.0
    assert Training().epoch(estimate(2.0), 64) is None
    assert Training(100).run(estimate(2.0), 64) is None


def test_a_study_foresees_what_was_published(fake):
    here = {"machine": capture()["machine"]}
    setups = (("default", 1.0), ("tuned-basic", 0.5))
    cells = {name: make_cell(framework="torch", batch=128, tuning=name) for name, _ in setups}
    records = [make_record(n, times=(m, m), cell=cells[s], environment=here) for n in range(3) for s, m in setups]
    foreseen = outlook.foresee(records, [gpu("t4"), gpu("4090")])
    assert foreseen.left_out == ()
    assert len(foreseen.fits) == 2
    assert len(foreseen.forecasts) == 1
    (work,) = foreseen.forecasts
    assert [one.label for one in work.own.setups] == ["fp32 default", "fp32 tuned-basic"]
    measured_on_it = [*records, on_t4(batch=128)]
    assert [f.target.key for f in outlook.foresee(measured_on_it, [gpu("t4"), gpu("4090")]).fits] == ["rtx-4090"]
    assert outlook.foresee([], [gpu("t4")]) == outlook.NOTHING


def test_claims_are_of_the_published_network_and_gpu(fake):
    found = forecasts(["4090", "t4"])
    named = [replace(one, prediction=replace(one.prediction, workload="conv6@32")) for one in found]
    (claim,) = outlook.claims_of(replace(found, forecasts=tuple(named)))
    assert claim.prediction.gpu_id == "t4"
    assert claim.published.speedup.value == 246
    assert [label for label, _ in ((one.label, found) for one, found in claim.own)] == ["roughly, by its best rates"]
    assert list(outlook.claims_of(found)) == []  # a network of one's own


def test_a_real_step_of_ones_own():
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))
    batch = (torch.randn(64, 256), torch.zeros(64, dtype=torch.int64))
    step = gg.step(model, batch, loss=torch.nn.functional.cross_entropy, optimizer=torch.optim.SGD(model.parameters()))
    found = gg.predict(step, ["t4"], samples=6400, records=gg.measure(step, steps=3, warmup_steps=1))
    one = found["t4"]
    assert one.prediction.batch == 64
    assert one.cpu.kind == "measured"
    assert one.step_time.kind == "predicted"
    assert one.step_time.low < one.step_time.value < one.step_time.high
    assert math.fsum(one.prediction.parts_s.values()) == pytest.approx(one.step_time.value)
    assert {"gemm", "elementwise", "optimizer"} <= {op.kind for op in one.prediction.ops}
    assert {op.module for op in one.prediction.ops} >= {"0", "2"}
    assert found.own.rates.flop_per_s > 1e8
    assert math.prod(factor.ratio for factor in one.gap.factors) == pytest.approx(one.gap.speedup.value)


def test_a_record_that_does_not_know_its_code_calibrates():
    wanted = replace(WANTED, names=("train.py:make_step",), code="abc")
    known, unknown = (on_t4(workload="train.py:make_step", **more) for more in ({"code": "other"}, {}))
    assert read_calibration([unknown], wanted).gpu.key == "t4"
    with pytest.raises(BadValue, match="other code"):
        read_calibration([known], wanted)
