"""Results laid side by side, within what a precision explains."""

from __future__ import annotations

import numpy as np
import pytest

from gpugap.tune.equality import OUTPUT_LIMITS, PATIENCE, RESULT_LIMITS, UNCHANGED, compare_results, repeated


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
    assert apart.results.tensor == "results 0 up to step 2"
    assert (apart.outputs.passed, apart.results.passed) == (True, False)
    assert apart.to_dict()["passed"] is False


def shaken(losses, noise=(2.0, 1.5, 1.2)):
    found = compare_results(arrays(losses=losses), arrays(), "fp32", 0.0)
    assert (found.passed, found.chaotic) == (False, True)
    return found, found.beside(arrays(losses=losses), arrays(), arrays(losses=noise))


def test_a_chaotic_training_is_judged_by_what_rounding_does_to_it():
    found, told = shaken((2.0, 1.5, 1.3))
    assert (told.passed, told.results.error) == (True, pytest.approx(found.results.error))
    assert told.results.limit == pytest.approx(PATIENCE * told.rounding)
    assert shaken((2.0, 1.5, 1.3), (2.0, 1.5, 1.01))[1].passed is False
    assert not compare_results(arrays(2.0, losses=(2.0, 1.5, 1.3)), arrays(), "fp32", 0.0).chaotic
    assert not compare_results(arrays(), arrays(), "fp32", 0.0).chaotic


@pytest.mark.parametrize("losses", [(2.0, 2.0, 2.0), (2.0, 2.6, 3.3), (0.0, 0.0, 0.0)])
def test_chaos_excuses_neither_a_missing_update_nor_a_wrong_gradient(losses: tuple[float, ...]):
    """Rounding moves the last loss by all of it, but the second by nothing."""
    _, told = shaken(losses, (2.0, 1.5, 3.0))
    assert told.passed is False
    assert told.results.tensor != "results 0 up to step 2"


@pytest.mark.parametrize("precision", sorted(OUTPUT_LIMITS))
def test_what_inference_returns_are_outputs(precision: str):
    reference, limit = {"result|0|0": np.linspace(-1, 1, 24)}, OUTPUT_LIMITS[precision]
    for factor, passed in ((0.9, True), (1.1, False)):
        mine = {name: value * (1 + factor * limit) for name, value in reference.items()}
        found = compare_results(mine, reference, precision, 0.0, mode="inference")
        assert (found.passed, found.results, found.chaotic) == (passed, None, False)


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
