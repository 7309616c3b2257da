"""Held against published training runs: covered, not vacuous, and independent of what is predicted."""

import math
import statistics
from dataclasses import replace

from gpugap.catalog import load
from gpugap.catalog.published_runs import published_runs
from gpugap.plan.checked import cases, covered


def test_at_least_four_fifths_lie_inside():
    found = cases(load())
    inside, scored = covered(found)
    assert len(published_runs()) >= 12
    assert scored >= 40
    assert inside / scored >= 0.8
    measured = covered([one for one in found if one.run.basis == "measured"])
    assert measured[1] >= 12
    assert measured[0] / measured[1] >= 0.8


def test_the_intervals_say_something():
    """Half of them reach from half to double at most; an interval that holds everything would be worth nothing."""
    found = [one for one in cases(load()) if one.scored]
    half_widths = [math.sqrt(one.predicted.high / one.predicted.low) for one in found]
    assert statistics.median(half_widths) < 2.0
    assert statistics.median(abs(math.log(one.ratio)) for one in found) < math.log(1.5)
    tenfold = [replace(one, published=replace(one.published, value=10 * one.published.value)) for one in found]
    assert covered(tenfold)[0] == 0


def test_predictions_do_not_look_at_what_was_published():
    known, runs = load(), published_runs()
    changed = [
        replace(
            one,
            power_w=one.power_w and 3 * one.power_w,
            energy_kwh=one.energy_kwh and 7 * one.energy_kwh,
            carbon_kg=one.carbon_kg and 7 * one.carbon_kg,
            cost_usd=one.cost_usd and 7 * one.cost_usd,
        )
        for one in runs
    ]
    assert [one.predicted for one in cases(known, runs)] == [one.predicted for one in cases(known, changed)]


def test_rows_agree_with_themselves():
    """Power times hours times PUE is the energy that the source tells, within its rounding."""
    for one in published_runs():
        if one.power_w and one.energy_kwh:
            pue = one.pue if one.pue and one.scope == "building" else 1.0
            assert (
                one.energy_kwh == math.inf or abs(one.power_w * one.device_h * pue / 1000 / one.energy_kwh - 1) < 0.03
            )
        assert one.source
        load().gpu(one.gpu)
