"""Power: between idle and limit, ordered by what bounds the work, never 0 for unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.predict.power import PUE, UTILIZATION, cpu_power, device_power, host_power, machine_power, pue
from gpugap.predict.prediction import BOUNDS

parts = st.dictionaries(st.sampled_from(sorted(UTILIZATION)), st.floats(1e-6, 1e3), min_size=1)


@given(st.floats(10, 1200), parts, st.integers(1, 8))
def test_power_lies_between_idle_and_the_limit(tdp_w, parts_s, count):
    found = device_power(tdp_w, parts_s, count=count)
    assert 0 < found.low <= found.value <= found.high <= count * tdp_w * (1 + 1e-9)
    assert found.kind == "predicted"
    assert found.value == pytest.approx(count * device_power(tdp_w, parts_s).value)


def test_what_bounds_the_step_orders_its_power():
    assert set(BOUNDS) <= set(UTILIZATION)
    watts = [device_power(300, {bound: 1.0}).value for bound in ("compute", "bandwidth", "launch", "host")]
    assert watts == sorted(watts, reverse=True)
    unknown = device_power(300)
    assert unknown.high / unknown.low > device_power(300, {"compute": 1.0}).high / device_power(300, {"compute": 1}).low


def test_shares_of_time_mix():
    mixed = device_power(300, {"compute": 1.0, "host": 1.0}).value
    ends = [device_power(300, {bound: 1.0}).value for bound in ("compute", "host")]
    assert mixed == pytest.approx(sum(ends) / 2)


def test_no_limit_gives_unknown_not_zero():
    found = device_power(None)
    assert found.value is None
    assert machine_power(found, host_power("cloud", 1), "cloud").value is None


def test_a_machine_draws_more_than_its_devices_and_a_building_more_than_that():
    device, host = device_power(300, {"compute": 1.0}), host_power("cloud", 1, 8, 32)
    machine = machine_power(device, host, "cloud")
    assert machine.value == pytest.approx((device.value + host.value) * PUE["cloud"][1])
    assert pue("own").value < pue("cloud").value
    assert host_power("cloud", 2, 16, 64).value == pytest.approx(2 * host_power("cloud", 1, 8, 32).value)


def test_a_part_of_a_chip_draws_a_part():
    whole, part = cpu_power(200, 64), cpu_power(200, 8, chip_cores=64)
    assert part.value < whole.value / 3
    assert cpu_power(None, 2).value > cpu_power(None, 2, shared=True).value > 0
