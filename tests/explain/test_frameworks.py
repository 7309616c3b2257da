"""What a framework changes, what fusion changes inside it, and how one explains the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factories import make_cell, make_record
from gpugap.explain.cells import summarize
from gpugap.explain.frameworks import break_even_steps, compare_frameworks, kernels, sentences, start_s
from gpugap.explain.parity import proofs

TIMES = {
    ("torch", "eager"): 10e-3,
    ("torch", "compile"): 8e-3,
    ("tensorflow", "eager"): 16e-3,
    ("tensorflow", "unfused"): 10e-3,
    ("tensorflow", "function"): 8.5e-3,
    ("jax", "op-by-op"): 40e-3,
    ("jax", "jit"): 9e-3,
}


def cell_of(framework: str, execution: str, **factors):
    known = {"workload": "conv6@32", "mode": "inference", "batch": 1}
    return make_cell(framework=framework, execution=execution, **(known | factors))


def records(times=TIMES, processes: int = 6, **factors):
    """Interleaved processes, each with 1 % of noise of its own and a block effect shared by all sides."""
    random = np.random.default_rng(0)
    shared = 1 + 0.05 * random.standard_normal(processes)
    found = []
    for (framework, execution), step_s in times.items():
        cell = cell_of(framework, execution, **factors)
        for process in range(processes):
            mean_s = step_s * shared[process] * (1 + 0.01 * random.standard_normal())
            fused = execution in ("compile", "jit")
            phases = {"import_s": 1.0, "build_s": 0.1, "first_step_s": 5.0 if fused else 0.02}
            found.append(make_record(process, cell=cell, times=(mean_s,) * 4, phases=phases))
        count = {"kernels": 20 if execution in ("compile", "jit", "function") else 50, "fused": 5, "source": "counted"}
        found.append(make_record("look", cell=cell, times=(), purpose="details", details={"kernels": count}))
    return found


def compared(found, known=frozenset()):
    return compare_frameworks(summarize(found), known)


def sentence(one) -> str:
    return " ".join(sentences(one))


def sides(effect) -> tuple[str, str]:
    return tuple(f"{side.cell.framework} {side.cell.execution}" for side in (effect.pair.a, effect.pair.b))


def test_frameworks_meet_in_the_same_class_of_mode_and_fusion_within_one():
    (one,) = compared(records())
    assert one.work == ("conv6@32", "inference", 1)
    assert {sides(effect) for effect in one.of("framework")} == {
        ("torch eager", "tensorflow eager"),
        ("torch eager", "jax op-by-op"),
        ("tensorflow eager", "jax op-by-op"),
        ("torch compile", "tensorflow function"),
        ("torch compile", "jax jit"),
        ("tensorflow function", "jax jit"),
    }
    assert {sides(effect) for effect in one.of("fusion")} == {
        ("torch eager", "torch compile"),
        ("tensorflow eager", "tensorflow function"),
        ("tensorflow unfused", "tensorflow function"),
        ("jax op-by-op", "jax jit"),
    }
    assert [sides(effect) for effect in one.of("whole")] == [("torch eager", "tensorflow function")]


def test_effects_are_near_the_truth_and_paired():
    (one,) = compared(records())
    for effect in one.effects:
        a, b = (TIMES[side.cell.framework, side.cell.execution] for side in (effect.pair.a, effect.pair.b))
        assert effect.pair.comparison.speedup.value == pytest.approx(a / b, rel=0.02)  # 1 % / sqrt(6) a side
        assert effect.pair.comparison.paired


def test_the_whole_is_the_product_of_its_steps():
    (one,) = compared(records())
    product = np.prod([pair.comparison.speedup.value for pair in one.steps])
    assert product == pytest.approx(one.of("whole")[0].pair.comparison.speedup.value)
    assert sum(one.shares()) == pytest.approx(1.0)
    text = sentence(one)
    assert text.startswith("TensorFlow as it comes takes 15 % less time than PyTorch as it comes: another framework")
    assert "fusion by the graph optimizer -15 %" in text or "fusion by the graph optimizer -14 %" in text


def test_the_sentence_says_how_much_is_fusion():
    (one,) = compared(records())
    fusion = one.shares()[-1]
    assert fusion == pytest.approx(1.0, abs=0.15)  # log(8.5 / 10) of log(8.5 / 10), within the noise
    rest = f"{100 * fusion:.0f} % is fusion and {100 * (1 - fusion):.0f} % something else"
    assert f"Of that difference {rest} (shares on a logarithmic scale" in sentence(one)
    slower = {**TIMES, ("tensorflow", "unfused"): 14e-3, ("tensorflow", "function"): 12e-3}
    (one,) = compared(records(slower))
    assert "% is fusion" in sentence(one)
    assert "one below 0 works against it" in sentence(one)
    (one,) = compared(records({side: time for side, time in TIMES.items() if side[1] != "unfused"}))
    assert "is fusion and" not in sentence(one)  # nothing measured it alone


def test_a_step_from_pytorch_to_a_graph_has_a_name():
    (one,) = compared(records({side: time for side, time in TIMES.items() if side != ("tensorflow", "eager")}))
    assert len(one.steps) == 2
    assert "another framework, and a graph in place of Python's dispatch +0 %" in sentence(one).replace("-0", "+0")


def test_no_difference_has_no_shares_and_is_still_taken_apart():
    (one,) = compared(records({**TIMES, ("tensorflow", "unfused"): 11e-3, ("tensorflow", "function"): 10e-3}))
    assert set(one.shares()) == {None}
    text = sentence(one)
    assert text.startswith(
        ("TensorFlow as it comes is as fast as", "TensorFlow as it comes is not shown to be faster or slower")
    )
    assert "fusion by the graph optimizer -9 %" in text
    assert "is fusion and" not in text


def test_a_whole_that_stands_alone_but_not_among_all_is_told_so():
    (one,) = compared(records())
    (whole,) = one.of("whole")
    comparison = replace(whole.pair.comparison, verdict="inconclusive", reason="many-comparisons")
    weighed = replace(whole, pair=replace(whole.pair, comparison=comparison))
    text = sentence(replace(one, effects=(weighed,)))
    assert "not shown to be faster or slower than PyTorch as it comes when all comparisons are weighed together" in text
    assert "% is fusion" not in text


def test_the_sentence_marks_what_is_unverified():
    sides = [side for side in TIMES if side != ("tensorflow", "eager")]
    proved = [
        make_record(cell=cell_of(*side, mode="train"), times=(), purpose="parity", parity={"passed": True})
        for side in sides
    ]
    (one,) = compared(records(), proofs(proved))
    first, second, third = sentence(one).split("; ")
    assert "unverified" in first
    assert "unverified" in second
    assert "unverified" not in third


def test_without_tensorflow_there_is_no_whole():
    (one,) = compared(records({side: time for side, time in TIMES.items() if side[0] != "tensorflow"}))
    assert (one.of("whole"), one.steps, sentence(one)) == ([], (), "")


def test_a_comparison_is_verified_only_where_both_sides_passed():
    found = records()
    proved = [
        make_record(cell=cell_of(*side, mode="train"), times=(), purpose="parity", parity={"passed": True})
        for side in TIMES
        if side != ("jax", "jit")
    ]
    (one,) = compared(found, proofs(proved))
    for effect in one.effects:
        assert effect.pair.verified == ("jax jit" not in sides(effect))
        assert effect.to_dict()["verified"] == effect.pair.verified


def test_other_factors_are_never_mixed():
    tuned = records(tuning="tuned-basic", precision="bf16")
    assert len(compared([*records(), *tuned])) == 2
    assert compared(records({("torch", "eager"): 1.0})) == []
    assert compared([replace(r, cell=replace(r.cell, data="own")) for r in records()]) == []


def test_a_longer_start_pays_after_some_steps():
    found = {(s.cell.framework, s.cell.execution): s for s in summarize(records())}
    eager, compiled = found["torch", "eager"], found["torch", "compile"]
    saved = eager.step_time.value - compiled.step_time.value
    assert break_even_steps(eager, compiled) == pytest.approx(4.98 / saved)
    assert break_even_steps(compiled, eager) is None
    assert kernels(eager)["kernels"] == 50


def test_a_start_is_that_of_processes_that_compiled():
    cold, warm = ({"inductor_cache": {"hit": hit, "miss": 1 - hit}} for hit in (0, 1))
    first = [replace(r, settings=cold) if r.process == 0 else replace(r, settings=warm) for r in records()]
    phases = {"build_s": 0.1, "first_step_s": 0.5}
    mixed = [replace(r, phases=phases) if r.settings == warm and r.phases else r for r in first]
    found = {(s.cell.framework, s.cell.execution): s for s in summarize(mixed)}
    assert start_s(found["torch", "compile"]) == pytest.approx(5.1)
    never = summarize([replace(r, settings=warm) for r in records({("torch", "compile"): 8e-3})])
    assert start_s(never[0]) is None


def test_cells_without_a_look_inside_count_no_kernels():
    eager = summarize(records())[0]
    assert kernels(replace(eager, details=())) is None


SINGLE = {
    ("torch", "eager", "allocator"): 8e-3,
    ("tensorflow", "function", "allocator"): 8.4e-3,
    ("tensorflow", "function", "onednn"): 6e-3,
    ("torch", "compile", "tuned-each"): 5e-3,
    ("tensorflow", "function", "tuned-each"): 4e-3,
    ("jax", "jit", "tuned-each"): 9.5e-3,
}


def with_single_changes():
    tuned = [
        record
        for (framework, execution, tuning), step_s in SINGLE.items()
        for record in records({(framework, execution): step_s}, tuning=tuning)
    ]
    return [*records(), *tuned]


def tuned_sides(effect) -> tuple[str, str]:
    return tuple(f"{side.cell.framework} {side.cell.tuning}" for side in (effect.pair.a, effect.pair.b))


def test_single_changes_stand_beside_the_side_they_change():
    as_it_comes, each = compared(with_single_changes())
    assert (as_it_comes.tuning, each.tuning) == ("default", "tuned-each")
    assert [tuned_sides(effect) for effect in as_it_comes.of("allocator")] == [
        ("torch default", "torch allocator"),
        ("tensorflow default", "tensorflow allocator"),
    ]
    (onednn,) = as_it_comes.of("onednn")
    assert onednn.pair.comparison.speedup.value == pytest.approx(8.5 / 6, rel=0.02)
    assert len(as_it_comes.cells) == len(TIMES) + 3
    assert {effect.kind for effect in each.effects} == {"framework"}
    text = sentence(as_it_comes)
    assert "Another allocator alone changes PyTorch by -20 %" in text
    assert "oneDNN switched alone changes TensorFlow by -29 %" in text
    known = [replace(r, settings={"onednn": r.cell.tuning == "onednn"}) for r in with_single_changes()]
    assert "oneDNN switched on alone changes TensorFlow by -29 %" in sentence(compared(known)[0])


def test_the_best_of_each_framework_meet_whatever_their_tuning():
    as_it_comes, _ = compared(with_single_changes())
    assert [tuned_sides(effect) for effect in as_it_comes.of("best")] == [
        ("torch tuned-each", "tensorflow tuned-each"),
        ("torch tuned-each", "jax default"),
    ]
    text = sentence(as_it_comes)
    best = "The fastest TensorFlow (function, tuned-each) against the fastest PyTorch (compile, tuned-each)"
    assert f"{best}: -20 %" in text


def test_without_tuned_cells_there_is_no_best_of_each():
    (one,) = compared(records())
    assert one.of("best") == []
