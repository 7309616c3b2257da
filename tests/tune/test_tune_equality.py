"""Results laid side by side, within what a precision explains."""

from __future__ import annotations

import numpy as np
import pytest

from gpugap.tune.equality import OUTPUT_LIMITS, RESULT_LIMITS, UNCHANGED, compare_results, repeated


def arrays(scale: float = 1.0, losses=(2.0, 1.5, 1.0)) -> dict[str, np.ndarray]:
    found = {"output|0": scale * np.linspace(-1, 1, 24).reshape(4, 6)}
    return found | {f"result|{place}|0": np.array(loss) for place, loss in enumerate(losses)}


@pytest.mark.parametrize("precision", sorted(OUTPUT_LIMITS))
def test_each_precision_has_its_limit(precision: str):
    limit = OUTPUT_LIMITS[precision]
    assert compare_results(arrays(1 + 0.9 * limit), arrays(), precision, 0.0).passed is True
    found = compare_results(arrays(1 + 1.1 * limit), arrays(), precision, 0.0)
    assert (found.passed, found.outputs.passed, found.results.passed) == (False, False, True)
    assert found.outputs.error == pytest.approx(1.1 * limit, rel=1e-6)


def test_losses_are_one_series():
    limit = RESULT_LIMITS["bf16"]
    apart = compare_results(arrays(losses=(2.0, 1.5, 1.0 + 3 * limit)), arrays(), "bf16", 0.0)
    assert apart.results.tensor == "results 0"
    assert (apart.outputs.passed, apart.results.passed) == (True, False)
    assert apart.to_dict()["passed"] is False


def test_a_chaotic_training_is_judged_by_what_rounding_does_to_it():
    found = compare_results(arrays(losses=(2.0, 1.5, 1.3)), arrays(), "fp32", 0.0)
    assert (found.passed, found.chaotic) == (False, True)
    shaken = found.beside(arrays(), arrays(losses=(2.0, 1.5, 1.2)))
    assert (shaken.passed, shaken.results.error) == (True, found.results.error)
    assert shaken.results.limit == pytest.approx(3 * shaken.rounding)
    assert found.beside(arrays(), arrays(losses=(2.0, 1.5, 1.01))).passed is False
    assert not compare_results(arrays(2.0, losses=(2.0, 1.5, 1.3)), arrays(), "fp32", 0.0).chaotic
    assert not compare_results(arrays(), arrays(), "fp32", 0.0).chaotic


def test_another_shape_or_nan_is_another_result():
    lost = {name: value[:2] if value.ndim else value for name, value in arrays().items()}
    assert compare_results(lost, arrays(), "bf16", 0.0).passed is False
    assert compare_results(arrays(losses=(2.0, float("nan"), 1.0)), arrays(), "bf16", 0.0).passed is False
    assert compare_results({}, arrays(), "bf16", 0.0).passed is False


def test_a_step_without_numbers_cannot_be_compared():
    found = compare_results({}, {}, "fp32", None)
    assert found.passed is None
    assert "return the loss" in found.why
    assert repeated({}, {}) is None


def test_a_step_that_changes_from_run_to_run_is_seen():
    assert repeated(arrays(), arrays()) == 0
    assert repeated(arrays(), arrays(losses=(2.0, 1.5, 1.1))) > UNCHANGED
