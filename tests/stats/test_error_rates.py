"""The tool's own error rates, after its real stopping rule, on made data with known truth.

Error budget: 2,000 comparisons a mix and number of processes, seed fixed. A rate of 5 % then has a standard error of
0.5 percentage points, so the limits below lie four or more standard errors from the rates that are expected.
"""

import math

import numpy as np
import pytest

from gpugap.stats.bootstrap import bootstrap_ratio
from gpugap.stats.compare import compare_paired, compare_unpaired, control_family
from gpugap.stats.multiplicity import holm
from gpugap.stats.planning import plan_repetitions, split_variance
from gpugap.stats.simulation import MIXES, Mix, simulate, warmup_series
from gpugap.stats.stopping import Stopping
from gpugap.stats.warmup import MIN_STEPS, find_steady

SEED = 20261123
PAIRS = 2000
STEPS = 10


def verdicts(mix: Mix, ratio: float, processes: int) -> tuple[float, float]:
    """Share called different, and share of intervals that hold the true ratio."""
    random = np.random.default_rng([SEED, MIXES.index(mix), processes])
    side_a, side_b = simulate(mix, ratio, (PAIRS, processes, STEPS), random)
    rule, called, held = Stopping(0.02), 0, 0
    for means_a, means_b in zip(side_a.mean(axis=2).tolist(), side_b.mean(axis=2).tolist(), strict=True):
        count = min(5, processes)
        while count < processes and not rule.satisfied([means_a[:count], means_b[:count]]):
            count += 1
        found = compare_paired(dict(enumerate(means_a[:count])), dict(enumerate(means_b[:count])))
        called += found.verdict in ("faster", "slower")
        held += found.speedup.low <= ratio <= found.speedup.high
    return called / PAIRS, held / PAIRS


@pytest.mark.parametrize("processes", [5, 10, 20])
@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_false_alarms_and_coverage(mix, processes):
    false_alarms, coverage = verdicts(mix, 1.0, processes)
    assert false_alarms <= 0.07
    if mix.gaussian:
        assert false_alarms >= 0.03
    assert coverage >= (0.90 if mix.throttled else 0.93)


@pytest.mark.parametrize("ratio", [1.05, 10.0])
@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_coverage_at_true_differences(mix, ratio):
    power, coverage = verdicts(mix, ratio, 10)
    assert coverage >= (0.90 if mix.throttled else 0.93)
    assert power > (0.99 if ratio == 10.0 else 0.4)


@pytest.mark.parametrize("steps", [MIN_STEPS, 30, 100])
def test_clean_series_are_rarely_cut(steps):
    """1,000 series: a true rate of 4.5 % exceeds 6.5 % with probability below 0.2 %; the seed's rate is at most 5 %."""
    series = warmup_series((1000, steps), 0, 0.0, np.random.default_rng(SEED))
    cut = np.mean([find_steady(list(times)).begin > 0 for times in series])
    assert cut <= 0.05


@pytest.mark.parametrize("steps", [MIN_STEPS, 30, 100])
@pytest.mark.parametrize("warmup", [3, 5, 8])
def test_warmups_are_found(steps, warmup):
    series = warmup_series((1000, steps), warmup, 3.0, np.random.default_rng(SEED + 1))
    found = [find_steady(list(times)) for times in series]
    assert np.mean([one.begin > 0 for one in found]) >= 0.95
    assert np.mean([one.begin >= warmup - 1 for one in found]) >= 0.9


def test_the_declared_warmup_is_never_less_than_cut():
    series = warmup_series((1, 40), 0, 0.0, np.random.default_rng(1))[0]
    assert find_steady(list(series), declared=7).begin >= 7
    assert find_steady([1.0] * 10, declared=2) == find_steady([5.0, 1.0] + [1.0] * 8, declared=2)
    assert find_steady([1.0] * 10, declared=2).verdict == "too-few-steps"


def test_a_drifting_process_is_never_steady():
    times = np.linspace(0.1, 0.2, 60) * (1 + 0.005 * np.random.default_rng(1).standard_normal(60))
    steady = find_steady(list(times))
    assert steady.verdict == "never-steady"
    assert steady.begin == 30


def test_one_hiccup_is_no_warmup():
    times = [0.1 + 0.0001 * (index % 7) for index in range(40)]
    times[20] = 5.0
    assert find_steady(times).begin == 0


def test_constant_series():
    assert find_steady([0.1] * 50).verdict == "steady"
    assert find_steady([0.2] * 5 + [0.1] * 45).begin == 5


def test_variance_split_finds_both_levels():
    """200 processes of 50 steps: standard errors below 6 %; limits at 25 %."""
    side, _ = simulate(Mix("", between_sd=0.03, within_sd=0.01), 1.0, (1, 200, 50), np.random.default_rng(SEED))
    split = split_variance(side[0])
    assert split.between == pytest.approx(0.03**2, rel=0.25)
    assert split.within == pytest.approx(0.01**2, rel=0.25)


def test_repetitions_follow_the_variance():
    calm, _ = simulate(Mix("", 0.002, 0.05), 1.0, (1, 50, 20), np.random.default_rng(SEED))
    restless, _ = simulate(Mix("", 0.05, 0.002), 1.0, (1, 50, 20), np.random.default_rng(SEED))
    many_steps = plan_repetitions(split_variance(calm[0]), 3.0, 0.1, 0.01)
    many_processes = plan_repetitions(split_variance(restless[0]), 3.0, 0.1, 0.01)
    assert many_steps.steps > many_processes.steps
    assert many_processes.processes > many_steps.processes
    with pytest.raises(ValueError, match="pilot"):
        split_variance([[1.0, 2.0]])


def test_bootstrap_agrees_where_it_may():
    side_a, side_b = simulate(MIXES[0], 2.0, (1, 30, 20), np.random.default_rng(SEED))
    interval = bootstrap_ratio(side_a[0], side_b[0], 0.95)
    assert interval is not None
    assert interval[0] < 2.0 < interval[1]
    assert interval[1] - interval[0] < 0.05
    assert bootstrap_ratio(side_a[0][:19], side_b[0], 0.95) is None


def test_the_bootstrap_of_very_many_steps_draws_their_means_at_once(monkeypatch):
    """Between processes nothing differs, so that all of the interval's width comes from within: sd / sqrt(steps)."""
    monkeypatch.setattr("gpugap.stats.bootstrap._MANY", 200)
    random = np.random.default_rng(SEED)
    widths = []
    for steps in (200, 201):
        side = [1 + 0.2 * random.standard_normal(steps).clip(-4, 4) for _ in range(20)]
        level = [series / series.mean() for series in side]
        low, high = bootstrap_ratio(level, level, 0.95)
        widths.append(high - low)
    expected = 2 * 1.96 * math.sqrt(2) * 0.2 / math.sqrt(200 * 20)
    assert widths == pytest.approx([expected] * 2, rel=0.08)


def test_sessions_that_differ_make_equal_sides_look_different_unless_they_are_paired():
    """1,000 pairs of five processes, sessions and processes scatter by 1 % each: Welch's test calls 36 % different."""
    random, alarms = np.random.default_rng(SEED), 0
    for _ in range(1000):
        sides = np.exp(0.01 * random.standard_normal((2, 1)) + 0.01 * random.standard_normal((2, 5)))
        alarms += compare_unpaired(*sides.tolist()).verdict in ("faster", "slower")
    assert 0.3 < alarms / 1000 < 0.42


def test_holm():
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([]) == []


def test_what_does_not_stand_among_many_is_still_equivalent_within_the_margin():
    """A sure upper bound of a difference does not get lost because its lower one is not sure any more."""
    small = compare_paired({0: 1.004, 1: 1.006, 2: 1.002, 3: 1.007}, dict.fromkeys(range(4), 1.0))
    large = compare_paired({0: 1.04, 1: 1.06, 2: 1.02, 3: 1.07}, dict.fromkeys(range(4), 1.0))
    assert (small.verdict, large.verdict) == ("faster", "faster")
    noise = compare_paired({0: 1.1, 1: 0.9, 2: 1.0}, dict.fromkeys(range(3), 1.0))
    judged = control_family([small, large, *[noise] * 20])
    assert (judged[0].verdict, judged[0].reason) == ("equivalent", "interval-within-margin")
    assert (judged[1].verdict, judged[1].reason) == ("inconclusive", "many-comparisons")
    assert judged[0].speedup == small.speedup


def test_a_family_of_null_comparisons_rarely_yields_one():
    """500 families of 20 A/A comparisons: some verdict in at most 7 % of families (nominal 5 %, s.e. 1 %)."""
    random = np.random.default_rng(SEED)
    wrong = 0
    for _ in range(500):
        side_a, side_b = simulate(MIXES[0], 1.0, (20, 6, 5), random)
        family = [
            compare_paired(dict(enumerate(a)), dict(enumerate(b)))
            for a, b in zip(side_a.mean(axis=2), side_b.mean(axis=2), strict=True)
        ]
        judged = control_family(family)
        wrong += any(one.verdict in ("faster", "slower") for one in judged)
        changed = {(one.verdict, one.reason) for one, old in zip(judged, family, strict=True) if one != old}
        assert changed <= {("inconclusive", "many-comparisons"), ("equivalent", "interval-within-margin")}
    assert wrong / 500 <= 0.07
