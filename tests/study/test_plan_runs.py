"""Workers from traces and records: memory's verdict, measurements over predictions, what is left out and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factories import make_cell, make_record
from gpugap.catalog import gpu, load
from gpugap.core.errors import AmbiguousName, BadValue, Infeasible, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.sensors.environment import capture
from gpugap.study.ground import candidates, household_price, own_gpus
from gpugap.study.used import resources

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
from gpugap.predict.prediction import Prediction  # noqa: E402 - after the skip
from gpugap.study.plan import gathered, plan  # noqa: E402 - likewise

GPUS = ("t4", "a100-40gb", "rtx-3060-12gb")
RUN = {"epochs": 10, "samples": 50_000, "batch": 64, "gpus": GPUS, "country": "KE", "usd_per_kwh": 0.2}


def predicted(ops, device) -> Prediction:
    """A millisecond for every tenth of a TFLOP/s that a T4 has over the device; nothing is modeled."""
    value = 1e-3 * ops.batch * 8.1 / (device.fp32_tflops or 8.1)
    return Prediction(
        gpu_id=device.key,
        gpu_name=device.name,
        domain="seen",
        method="model",
        workload=ops.name,
        mode=ops.mode,
        batch=ops.batch,
        precision=ops.precision,
        step_time=Estimate(value, value / 1.2, value * 1.2, 0.9, "s", "predicted", "fake", None),
        parts_s={"compute": value},
        bound="compute",
        attention_kernel="",
        ops=(),
        peak_flop_per_s=1e13,
        bandwidth_byte_per_s=1e11,
    )


def planned(**changes):
    return plan("conv6", **(RUN | {"predictor": predicted} | changes))


def cpu_record(process=0, **changes):
    cell = make_cell(batch=64, framework="torch", **changes)
    return make_record(process, times=[0.5] * 6, cell=cell, environment=capture())


def gpu_record(step_s, process=0, *, batch=64, name="Tesla T4"):
    environment = {"machine": "m2", "gpus": [{"name": name}]}
    cell = make_cell(batch=batch, framework="torch", device="cuda")
    return make_record(process, times=[step_s] * 6, cell=cell, environment=environment)


def test_predicted_workers_and_options():
    found = planned()
    assert {one.worker.key for one in found if one.worker.gpu} == {gpu(name).key for name in GPUS}
    assert found["t4"].worker.step_time.value == pytest.approx(0.064)
    assert found.ground.run.checkpoint_bytes.value > 1e5
    assert any(one.reason == "not-measured" and "gpugap measure conv6 --batch 64" in one.told for one in found.excluded)
    assert "capability 7.5" not in " ".join(found["t4"].to_dict()["notes"])


def test_a_step_that_stands_in_memory():
    import torch
    from torch import nn

    import gpugap

    model = nn.Linear(64, 64)
    batch = (torch.randn(16, 64), torch.randn(16, 64))
    step = gpugap.step(model, batch, loss=nn.functional.mse_loss, optimizer=torch.optim.SGD(model.parameters(), 0.1))
    found = gpugap.plan(step, epochs=1, samples=1000, gpus=["t4"], predictor=predicted)
    assert found.ground.run.batch == 16
    assert found["t4"].worker.step_time.value == pytest.approx(0.016)


def test_this_cpu_comes_from_records_default_and_tuned():
    records = [cpu_record(n, tuning=tuning) for n in range(3) for tuning in ("default", "tuned-basic")]
    records += [cpu_record(9, tuning="default", precision="bf16"), cpu_record(9, mode="inference")]
    found = planned(records=records)
    assert {one.worker.key for one in found if one.worker.gpu is None} == {
        *("cpu fp32 default", "cpu fp32 tuned-basic", "cpu bf16 default"),
    }
    cpu = found["cpu fp32 default"]
    assert cpu.worker.step_time.kind == "measured"
    assert cpu.worker.step_time.value == pytest.approx(0.5)
    assert not [one for one in found.excluded if one.reason == "not-measured"]
    elsewhere = [replace(one, environment={"machine": "another"}) for one in records]
    assert not [one for one in planned(records=elsewhere) if one.worker.gpu is None]


def test_a_measured_gpu_takes_the_place_of_its_prediction():
    found = planned(records=[gpu_record(0.1, n) for n in range(3)])
    assert found["t4"].worker.domain == "measured"
    assert found["t4"].worker.step_time.value == pytest.approx(0.1)
    assert found["t4"].to_dict()["basis"]["step_time"] == "measured"
    assert "1.56 times, outside" in found.corrections[0]
    assert found["a100-sxm-40gb"].worker.domain == "seen"
    other = planned(records=[gpu_record(0.1, batch=32)])
    assert other["t4"].worker.domain == "seen"


def test_measured_energy_takes_the_place_of_predicted_power():
    """20 J a step of 0.1 s are 200 W of the device, within the sensor's 5 %; the host stays predicted."""
    energy = {"energy_j": 200.0, "steps": 10, "window_s": 1.0, "sensor": "nvml"}
    look = replace(gpu_record(0.1, 7), purpose="details", energy=energy, step_time_s=())
    found = planned(records=[*(gpu_record(0.1, n) for n in range(3)), look])["t4"]
    power = found.worker.power
    assert power.kind == "measured"
    assert power.value == pytest.approx(200.0)
    assert power.low == pytest.approx(190.0)
    assert power.high == pytest.approx(210.0)
    assert found.to_dict()["basis"] == {"step_time": "measured", "power": "measured", "price": "published"}
    assert found.energy.kind == "predicted"
    assert found.energy.value > 200 * found.busy.value


def test_a_share_measured_on_one_gpu_is_taken_for_several():
    found = planned(records=[gpu_record(0.1, n, batch=16) for n in range(3)], gpus=("t4",), counts=(1, 4))
    times = {one.worker.count: one.worker for one in found if one.worker.gpu}
    assert times[1].domain == "seen"
    assert times[4].domain == "measured"
    assert times[4].step_time.value > 0.1
    assert times[4].step_time.kind == "predicted"  # the all-reduce is


def test_only_what_fits_for_sure_is_an_option():
    found = planned(gpus=("gtx-1650", "a100-40gb"), batch=16_000)
    assert {one.worker.key for one in found if one.worker.gpu} == {"a100-sxm-40gb"}
    left_out = next(one for one in found.excluded if one.reason == "memory")
    assert "DOES NOT FIT" in left_out.told or "MARGINAL" in left_out.told
    with pytest.raises(Infeasible, match="surely fits none of 1 GPUs") as error:
        planned(gpus=("gtx-1650",), batch=16_000)
    assert "would hold it" in error.value.remedy


def test_several_gpus_need_room_for_buckets_of_gradients():
    """Two hold half of the batch each, and a copy of the gradients that one alone does not need."""
    found = gathered("conv6", **(RUN | {"predictor": predicted, "gpus": ("t4",), "counts": (2,), "batch": 64}))
    alone = gathered("conv6", **(RUN | {"predictor": predicted, "gpus": ("t4",), "counts": (1,), "batch": 32}))
    gradients = alone.ground.run.checkpoint_bytes.value / 3  # Adam keeps two moments beside the parameters
    assert found.needed.value - alone.needed.value == pytest.approx(gradients + 256 * 2**20, rel=1e-3)
    assert found.needed.high - alone.needed.high > gradients
    assert found.needed.low - alone.needed.low < 128 * 2**20


def test_everything_that_can_be_had_is_looked_at():
    known = load()
    found = candidates(known, (), frozenset())
    keys = {one.key for one in found}
    assert {"t4", "h100-sxm", "rtx-4090", "p100-pcie"} <= keys
    assert not {"k80", "m2090", "tpu-v5e", "mi300x"} & keys
    assert len(keys) == len(found) > 40


def test_own_boards_that_share_a_name():
    known = load()
    keys, told = own_gpus(("cpu", "rtx-3060"), known)
    assert keys == {"cpu", "rtx-3060-12gb"}
    assert "rtx-3060-8gb" in told[0].told
    with pytest.raises(AmbiguousName):
        own_gpus(("a100",), known)
    with pytest.raises(UnknownName):
        own_gpus(("rtx-9999",), known)


def test_a_price_nobody_knows_is_a_range():
    known = load()
    told = household_price(known.country("US"))
    assert (told.kind, told.value) == ("published", 0.193)
    unknown = household_price(known.country("KE"))
    assert unknown.kind == "predicted"
    assert unknown.high > 2 * unknown.low
    assert "Kenya" in unknown.method


def test_where_no_price_is_known_the_cheapest_countries_do_not_stand_in():
    """Of the household prices in the catalog nearly all are below the average of every continent."""
    unknown = household_price(None)
    asia, europe, germany = 0.084, 0.245, 0.40  # GlobalPetrolPrices 2025-06
    assert unknown.low < asia < unknown.value < europe < germany < unknown.high


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"country": "Kenia"}, UnknownName),
        ({"goal": "fame"}, UnknownName),
        ({"gpus": ("t5",)}, UnknownName),
        ({"usd_per_kwh": -1.0}, BadValue),
        ({"counts": (0,)}, BadValue),
        ({"epochs": -1}, BadValue),
        ({"batch": 0}, BadValue),
        ({"budget_usd": -3.0}, BadValue),
        ({"gpus": ("tpu-v5e",)}, Infeasible),
    ],
)
def test_bad_input_is_refused(changes, error):
    with pytest.raises(error):
        planned(**changes)


def test_resources_of_records():
    records = [cpu_record(n, tuning="default") for n in range(3)] + [gpu_record(0.1)]
    details = {"purpose": "details", "energy": {"energy_j": 200.0, "steps": 10, "window_s": 1.0, "sensor": "nvml"}}
    records.append(replace(gpu_record(0.1, 7), **details, step_time_s=()))
    cpu, board = resources(records, load(), "KE")
    assert (cpu.runs, board.runs) == (3, 2)
    assert cpu.total_time.value == pytest.approx(9.0)
    assert cpu.total_time.kind == "measured"
    assert cpu.energy.kind == "predicted"
    assert board.energy.kind == "measured"
    assert board.energy.value == pytest.approx(20.0 * 6)
    assert board.worker == "Tesla T4"
    assert board.carbon.value > 0
    assert resources(records, load())[0].carbon.value is None


def test_measured_energy_of_steps_does_not_stand_for_a_process_that_mostly_starts():
    """Six steps of 0.1 s at 20 J, and 5.4 s of imports: 120 J at the least, 200 W for 6 s at the most."""
    details = {"purpose": "details", "energy": {"energy_j": 200.0, "steps": 10, "window_s": 1.0, "sensor": "nvml"}}
    look = replace(gpu_record(0.1, 7), **details, step_time_s=())
    (board,) = resources([replace(gpu_record(0.1), phases={"import_s": 5.4}), look], load(), "KE")
    assert board.total_time.value == pytest.approx(6.0)
    assert board.energy.kind == "predicted"
    assert board.energy.value == pytest.approx(1200)
    assert board.energy.low == pytest.approx(120 * 0.95)
    assert "90%" in board.energy.method
