"""The search finds what is there, within its budget; the proof is what may be believed."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tune_benches import MadeUp, additive, choice

from gpugap.tune.proof import LOOKS, affordable_ladder, decided, ladder_of, prove, with_own_allocator
from gpugap.tune.search import search
from gpugap.tune.space import BASE, FREED_KEPT, Arm

LAYOUT, BF16, COMPILE, THREADS, TCMALLOC = (
    choice(name) for name in ("layout", "precision", "execution", "threads", "allocator")
)
ALL = (BF16, LAYOUT, COMPILE, THREADS, TCMALLOC)


def free(_: Arm) -> float:
    return 0.0


def dimensions(arm: Arm) -> set[str]:
    return {one.dimension for one in arm.choices}


def test_what_helps_is_combined_and_what_hurts_is_not():
    bench = MadeUp(additive(layout=0.2, precision=0.5, execution=-0.1, threads=-0.5, allocator=0.3))
    found = search(ALL, bench, free)
    assert dimensions(found.ranked[0]) == {"layout", "precision", "allocator"}
    assert found.complete
    assert all(BASE in block for block in bench.blocks)
    assert found.rounds[0].arms == 1 + len(ALL)


def test_what_hurts_alone_may_help_together():
    def gain(arm: Arm) -> float:
        base = additive(layout=0.1, precision=0.5, execution=-0.1, threads=0.0, allocator=0.0)(arm)
        return base + (0.4 if {"execution", "layout"} <= dimensions(arm) else 0.0)

    assert dimensions(search(ALL, MadeUp(gain), free).ranked[0]) == {"layout", "precision", "execution"}


def test_what_helps_alone_may_hurt_together():
    def gain(arm: Arm) -> float:
        base = additive(layout=0.05, precision=0.5, execution=0.04, threads=0.0, allocator=0.0)(arm)
        return base - (0.3 if {"precision", "layout"} <= dimensions(arm) else 0.0)

    assert dimensions(search(ALL, MadeUp(gain), free).ranked[0]) == {"precision", "execution"}


def test_what_helps_much_alone_may_hurt_together():
    """As torch.compile beside bf16: 1.3 times alone, and 0.7 times on top of the rest."""

    def gain(arm: Arm) -> float:
        base = additive(layout=0.1, precision=0.7, execution=0.26, threads=0.0, allocator=0.3)(arm)
        return base - (0.6 if {"precision", "execution"} <= dimensions(arm) else 0.0)

    for seed in range(10):
        best = dimensions(search(ALL, MadeUp(gain, noise=0.02, seed=seed), free).ranked[0])
        assert best - {"threads"} == {"layout", "precision", "allocator"}


def test_the_winner_comes_from_the_last_round():
    """An arm that was left behind does not win by the luck of its only round."""
    for seed in range(20):
        gain = additive(layout=0.01, precision=0.5, execution=0.02, threads=0.0, allocator=0.03)
        bench = MadeUp(gain, noise=0.05, seed=seed)
        assert search(ALL, bench, free).ranked[0] in bench.blocks[-1]


def test_of_equals_the_simplest_is_taken():
    found = search(
        ALL, MadeUp(additive(layout=0.002, precision=0.5, execution=0.003, threads=0.0, allocator=0.0)), free
    )
    assert dimensions(found.ranked[0]) == {"precision"}


def test_the_better_value_of_a_dimension_is_taken():
    two, one = choice("threads", "two"), choice("threads", "one")
    found = search((two, one), MadeUp(additive(two=0.1, one=0.3)), free)
    assert found.ranked[0] == Arm((one,))


def test_a_choice_that_needs_another_waits_for_it():
    later = choice("execution", "max", needs="execution")
    useful = MadeUp(additive(execution=0.2, max=0.4, precision=0.1))
    assert "max" in [one.name for one in search((COMPILE, later, BF16), useful, free).ranked[0].choices]
    assert all(Arm((later,)) != arm for arm in useful.blocks[0])
    useless = MadeUp(additive(execution=-0.9, max=0.4, precision=0.1))
    search((COMPILE, later, BF16), useless, free)
    assert not any(later in arm.choices for block in useless.blocks for arm in block)


def test_a_configuration_that_fails_is_skipped():
    bench = MadeUp(
        additive(layout=0.2, precision=0.5, execution=0.9, threads=0.0, allocator=0.0), failing=["execution"]
    )
    assert dimensions(search(ALL, bench, free).ranked[0]) == {"layout", "precision"}


@given(st.integers(min_value=2, max_value=40), st.integers(min_value=0, max_value=15))
def test_the_search_keeps_to_its_budget_and_leaves_what_is_reserved(budget: int, reserved: int):
    bench = MadeUp(additive(layout=0.2, precision=0.5, execution=-0.1, threads=-0.5, allocator=0.3), budget_s=budget)
    found = search(ALL, bench, lambda _: float(reserved))
    assert bench.left_s() >= min(reserved, budget)
    assert found.complete or budget - reserved < 25


def test_nothing_to_choose_is_nothing_found():
    found = search((), MadeUp(additive()), free)
    assert (found.ranked, found.rounds) == ((), ())


def test_the_best_of_a_grid_is_found_without_running_it():
    effects = {"layout": 0.2, "precision": 0.6, "execution": -0.2, "threads": 0.1, "allocator": 0.0}
    best = sum(gain for gain in effects.values() if gain > 0)
    reached, runs = [], []
    for seed in range(40):
        bench = MadeUp(additive(**effects), noise=0.02, seed=seed)
        winner = search(ALL, bench, free).ranked[0]
        reached.append(math.exp(additive(**effects)(winner) - best))
        runs.append(sum(map(len, bench.blocks)))
    assert statistics.fmean(reached) > 0.97  # of the best of 32 configurations
    assert max(runs) <= 32


def proved(bench: MadeUp, winner: Arm, gains: dict | None = None):
    return prove(ladder_of(winner, gains or {}), bench, 8, same_allocator=with_own_allocator(winner, gains or {}))


def test_a_sure_gain_takes_the_first_look():
    bench = MadeUp(additive(layout=0.2, precision=0.5), noise=0.02)
    found = proved(bench, Arm((BF16, LAYOUT)))
    assert (found.gain.verdict, found.blocks, found.looks, found.spent) == ("faster", LOOKS[0], 1, False)
    assert found.gain.speedup.low < math.exp(0.7) < found.gain.speedup.high
    assert found.gain.speedup.level == 0.95


def test_the_ladder_multiplies_to_the_whole():
    bench = MadeUp(additive(layout=0.2, precision=0.5, allocator=0.3), noise=0.01)
    found = proved(
        bench, Arm((BF16, LAYOUT, TCMALLOC)), {Arm((LAYOUT,)): 0.2, Arm((BF16,)): 0.5, Arm((TCMALLOC,)): 0.9}
    )
    assert [one.dimension for one in found.rungs] == ["precision", "layout", "allocator"]
    product = math.prod(one.gain.speedup.value for one in found.rungs)
    assert product == pytest.approx(found.gain.speedup.value)
    assert found.apart.speedup.value == pytest.approx(product / found.rungs[-1].gain.speedup.value)


def test_the_same_allocator_is_used_as_well_as_it_can_be():
    """glibc told to keep what is freed is no other allocator: the ladder goes over it to tcmalloc."""
    kept, winner = Arm((BF16, FREED_KEPT)), Arm((BF16, TCMALLOC))
    gains = {Arm((BF16,)): 0.5, kept: 0.8, winner: 0.9}
    assert with_own_allocator(winner, gains) == kept
    assert with_own_allocator(winner, gains | {kept: 0.4}) == Arm((BF16,))
    assert with_own_allocator(winner, {}) == Arm((BF16,))
    assert with_own_allocator(kept, gains) == kept
    bench = MadeUp(lambda arm: gains[arm], noise=0.001)
    found = proved(bench, winner, gains)
    assert [one.name for one in found.rungs] == [
        "precision",
        "freed memory kept",
        "allocator in place of freed memory kept",
    ]
    assert found.same_allocator == kept
    assert found.apart.speedup.value == pytest.approx(math.exp(0.8), rel=0.01)
    alone = proved(bench, kept, gains)
    assert (alone.apart, alone.same_allocator) == (None, kept)


def test_a_single_choice_is_no_ladder():
    found = proved(MadeUp(additive(layout=0.2), noise=0.01), Arm((LAYOUT,)))
    assert (found.rungs, found.apart) == ((), None)


def test_a_noisy_machine_is_inconclusive():
    found = proved(MadeUp(additive(layout=0.05), noise=0.5, seed=3), Arm((LAYOUT,)))
    assert found.gain.verdict == "inconclusive"
    assert (found.blocks, found.looks) == (LOOKS[-1], len(LOOKS))


def test_a_spent_budget_is_inconclusive_and_says_so():
    bench = MadeUp(additive(layout=0.5), noise=0.3, seed=1, budget_s=7)
    found = proved(bench, Arm((LAYOUT,)))
    assert (found.gain.verdict, found.spent, found.blocks) == ("inconclusive", True, 3)
    assert bench.left_s() >= 0


@pytest.mark.parametrize("failing", [BASE, Arm((LAYOUT,))])
def test_a_process_that_fails_in_the_proof_leaves_no_answer(failing: Arm):
    bench = MadeUp(additive(layout=0.5), noise=0.01)
    whole = bench.block

    def block(arms, window_s):
        found = whole(arms, window_s)
        return found if len(bench.blocks) < 5 else {arm: time for arm, time in found.items() if arm != failing}

    bench.block = block
    found = proved(bench, Arm((LAYOUT,)))
    assert (found.broken, found.blocks) == (True, 5)
    assert (found.gain.verdict, found.gain.reason) == ("inconclusive", "process-failed")


def test_what_is_too_dear_does_not_hide_what_is_not():
    bench = MadeUp(additive(layout=0.2, precision=0.5, execution=0.0, threads=0.0, allocator=0.3), budget_s=30)
    bench.cost_s = lambda arm, window_s: 100.0 if BF16 in arm.choices else 1.0
    assert dimensions(search(ALL, bench, free).ranked[0]) == {"layout", "allocator"}


def test_where_nothing_helps_the_least_bad_is_told():
    found = search(ALL, MadeUp(lambda arm: -0.1 * len(arm.choices)), free)
    assert len(found.ranked[0].choices) == 1
    assert found.gains[found.ranked[0]] == pytest.approx(-0.1)


def test_no_gain_worth_a_change_ends_it_early():
    found = proved(MadeUp(additive(layout=0.0), noise=0.002), Arm((LAYOUT,)))
    assert found.blocks == LOOKS[0]
    assert decided(found.gain)
    assert found.gain.verdict != "faster" or found.gain.speedup.low > 1


def test_little_time_leaves_the_ladder_out():
    ladder = ladder_of(Arm((BF16, LAYOUT, THREADS, TCMALLOC)), {})
    assert affordable_ladder(ladder, MadeUp(additive(), budget_s=25)) == ladder
    assert affordable_ladder(ladder, MadeUp(additive(), budget_s=24)) == (BASE, ladder[-2], ladder[-1])
    assert affordable_ladder(ladder, MadeUp(additive(), budget_s=14)) == (BASE, ladder[-1])


def test_equal_settings_are_called_faster_or_slower_in_at_most_one_in_twenty():
    """Search and proof together, after the real stopping rule, where no choice does anything: 5 % nominal.

    400 runs; with a true rate of 5 % more than 32 alarms happen in 0.4 % of such tests.
    """
    alarms, seen, measured = 0, [], []
    for seed in range(400):
        bench = MadeUp(lambda _: 0.0, noise=0.02, seed=seed)
        found = search(ALL, bench, free)
        ladder = (BASE, found.ranked[0]) if found.ranked else (BASE, Arm((BF16,)))
        proof = prove(ladder, bench, 8)
        alarms += proof.gain.verdict in ("faster", "slower")
        seen.append(found.gains.get(ladder[-1], 0.0))
        measured.append(math.log(proof.gain.speedup.value))
    assert alarms <= 32
    assert statistics.fmean(seen) > 0.004  # the winner's curse, which the search's own number has
    assert -0.004 < statistics.fmean(measured) < 0.001  # and the proof has not; stopping early leans to no gain


def test_intervals_hold_the_truth_after_stopping():
    """300 proofs of a gain of 1.03, stopped when decided; at 95 % fewer than 273 hold it in 0.1 % of such tests."""
    held = 0
    for seed in range(300):
        gain = prove((BASE, Arm((LAYOUT,))), MadeUp(additive(layout=math.log(1.03)), noise=0.02, seed=seed), 8).gain
        held += gain.speedup.low <= 1.03 <= gain.speedup.high
    assert held >= 273


def test_arms_of_other_batches_tell_their_own_step_time():
    winner = Arm((LAYOUT,))
    found = prove((winner, replace(winner, batch=16)), MadeUp(lambda arm: 0.3 if arm.batch else 0.0), 8)
    assert found.times[winner].value == pytest.approx(8)
    assert found.times[replace(winner, batch=16)].value == pytest.approx(16 * math.exp(-0.3))
    assert (found.rungs, found.apart) == ((), None)
