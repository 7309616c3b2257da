"""TensorFlow behind the protocol: it computes what PyTorch computes, in every execution mode, and says what it did."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")

from factories import make_cell
from gpugap.core.errors import UnknownName
from gpugap.core.execution import EXECUTIONS
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.core.workload import Workload
from gpugap.frameworks.tensorflow import TensorFlowFramework
from gpugap.frameworks.tensorflow.nets import build_nets
from gpugap.frameworks.tensorflow.nets.cyclegan import ImagePool
from gpugap.frameworks.tensorflow.optimizers import LossScale, Sgd
from gpugap.frameworks.tensorflow.start import keras, tf
from gpugap.frameworks.tensorflow.training import Training, Update
from gpugap.stats.agreement import MATH_ERRORS, agree, math_error
from gpugap.workloads import all_workloads, workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights, weight_shapes

pytestmark = pytest.mark.tensorflow
MODES = EXECUTIONS["tensorflow"]
FRAMEWORK = TensorFlowFramework()


@pytest.fixture(autouse=True)
def keras_policy():
    """Puts Keras's policy and the math mode back as they were."""
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
    tf.config.experimental.enable_tensor_float_32_execution(True)


def cell_of(name: str, execution: str | None = None, **factors):
    known = {"workload": workload(name).name, "framework": "tensorflow", "batch": 2, "execution": execution}
    return make_cell(**(known | factors))


def made(framework, name: str, cell):
    """A built-in step without dropout and its body, after `apply`."""
    spec, setting = replace(workload(name), dropout=0.0), Setting(cell.precision)
    framework.apply(cell, setting, 0)
    arrays = load_batch("synthetic", spec, cell.batch, 0)
    step = framework.build(spec, cell, initial_weights(spec, 0), arrays)
    return spec, step, framework.body(step, cell, setting)


# --- the networks


@pytest.mark.parametrize("name", sorted(all_workloads()))
def test_parameters_are_those_of_the_specification(name: str):
    """In Keras's stateless scope variables have a shape and no memory."""
    spec = workload(name)
    with keras.StatelessScope(initialize_variables=False):
        nets = build_nets(spec, cell_of(name))
    shapes = {}
    for prefix, net in nets.items():
        for key, layer, variable in net.trained():
            empty = np.broadcast_to(np.float32(0), tuple(variable.shape))
            shapes[".".join(filter(None, (prefix, key)))] = net.canonical(layer, empty).shape
    assert shapes == weight_shapes(spec)
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    assert count == spec.parameters
    assert count == sum(int(np.prod(v.shape)) for net in nets.values() for v in net.trainable_variables)


def test_a_family_without_a_network_is_told():
    with pytest.raises(UnknownName, match="resnet18"):
        build_nets(Workload("resnet19@32", "resnet19", "", 32, 10, (), "adam", 1e-3, ""), cell_of("conv6"))


@functools.lru_cache(maxsize=1)
def computed_by_torch(name: str, batch: int):
    """As `computed`, in double; on one thread, since two that wait by spinning stand in each other's way here."""
    import torch

    from gpugap.frameworks.torch import TorchFramework

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return computed(TorchFramework(), name, batch, "fp64", "eager")
    finally:
        torch.set_num_threads(threads)


def computed(framework, name: str, batch: int, precision: str, execution: str | None):
    """What inference shows where it differs (batch norm), what training shows, and in double three steps of it."""
    cell = cell_of(name, execution, batch=batch, precision=precision, framework=framework.name)
    still = {}
    if any(layer.kind == "batchnorm" for layer in workload(name).layers):
        inference = replace(cell, mode="inference")
        spec, step, _ = made(framework, name, inference)
        still = framework.examine(spec, step, inference).activations
    spec, step, body = made(framework, name, cell)
    seen = framework.examine(spec, step, cell)
    traced, losses = [], []
    for _ in range(3 if precision == "fp64" else 0):
        losses.append(framework.arrays_of(body())[0])
        traced.append(framework.compilations())
    assert len(set(traced)) <= 1, "traced again"
    return still, seen, losses, dict(framework.parameters(spec, step)) if losses else {}


LIKE_TORCH = [
    ("conv6@32", 2),
    ("vgg16@32", 2),
    ("resnet18@32", 2),
    ("resnet18@64", 2),
    ("vgg16@64", 2),
    pytest.param("cyclegan@32", 1, marks=pytest.mark.slow),
]
LIMITS = {"fp64": (1e-9, 1e-9), "fp32": (1e-4, 1e-4)}


@pytest.mark.parametrize("precision", ["fp64", "fp32"])
@pytest.mark.parametrize(("name", "batch"), LIKE_TORCH)
def test_it_computes_what_torch_computes(name: str, batch: int, precision: str):
    """Layer by layer, losses, gradients; in double also parameters and running statistics after three steps.

    CycleGAN's gradients in single precision are not held: where a sign of the cycle loss flips, PyTorch is as far
    from its own double precision (3e-3).
    """
    pytest.importorskip("torch")
    still, seen, losses, after = computed_by_torch(name, batch)
    mine = computed(FRAMEWORK, name, batch, precision, None)
    limit, of_gradients = LIMITS[precision]
    pairs = [(mine[0], still, limit, 0.0)] if still else []
    pairs.append((mine[1].activations, seen.activations, limit, 0.0))
    pairs.append((*({k: np.array(v) for k, v in one.losses.items()} for one in (mine[1], seen)), limit, 0.0))
    if (name, precision) != ("cyclegan@32", "fp32"):
        pairs.append((mine[1].gradients, seen.gradients, of_gradients, 1e-3))
    if precision == "fp64":
        pairs.append((mine[3], after, 1e-7, 1e-3))
        np.testing.assert_allclose(mine[2], losses, rtol=2e-7 if name == "cyclegan@32" else 1e-9)
    for found, reference, bound, floor in pairs:
        agreement = agree(found, reference, bound, floor)
        assert agreement.passed, agreement


def test_an_examination_changes_nothing_and_begins_with_the_first_layer():
    spec, step, _ = made(FRAMEWORK, "resnet18", cell_of("resnet18"))
    before = FRAMEWORK.parameters(spec, step)
    found = FRAMEWORK.examine(spec, step, cell_of("resnet18"))
    after = FRAMEWORK.parameters(spec, step)
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert next(iter(found.activations)) == "conv1"
    assert set(found.activations) == {layer.name for layer in spec.layers} | {"output"}
    given = initial_weights(spec, 0)
    assert all(np.array_equal(before[key], value) for key, value in given.items())


def test_dropout_is_for_training_alone():
    spec, cell = workload("vgg16@64"), cell_of("vgg16@64")
    step = FRAMEWORK.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, 2, 0))
    images = tf.convert_to_tensor(step.batch[0])
    first, second = (step.models(images, training=True).numpy() for _ in range(2))
    assert not np.allclose(first, second)
    first, second = (step.models(images, training=False).numpy() for _ in range(2))
    assert np.array_equal(first, second)


def test_the_image_pool_draws_as_pytorchs():
    torch = pytest.importorskip("torch")
    from gpugap.frameworks.torch.nets.cyclegan import ImagePool as Other

    pool, other = ImagePool(3), Other(3)
    for number in range(20):
        batch = np.array([[2.0 * number], [2.0 * number + 1]])
        assert np.array_equal(pool.exchange(tf.constant(batch)), other.exchange(torch.from_numpy(batch)))


# --- execution modes


def test_every_mode_computes_the_same_and_says_what_it_runs():
    losses, counted = {}, {}
    for mode in MODES:
        cell = cell_of("conv6", mode)
        _, step, body = made(FRAMEWORK, "conv6", cell)
        before = FRAMEWORK.compilations()
        losses[mode] = [float(body()) for _ in range(3)]
        assert (FRAMEWORK.compilations() > before) == (mode != "eager")
        found = FRAMEWORK.settings(step, cell, Setting())
        assert (found["execution"], found["remapping"]) == (mode, mode != "unfused")
        counted[mode] = FRAMEWORK.kernels(step, cell, body) if mode != "xla" else {}
    for mode in MODES:
        assert losses[mode] == pytest.approx(losses["function"], rel=1e-5)
    assert counted["eager"]["fused"] == counted["unfused"]["fused"] == 0 < counted["function"]["fused"]
    assert counted["function"]["kernels"] < counted["unfused"]["kernels"] < counted["eager"]["kernels"]
    assert counted["function"]["source"] != counted["eager"]["source"]
    phases = FRAMEWORK.compile_phases()
    assert phases["trace_s"] > 0
    assert phases["compile_s"] > 1  # XLA takes seconds for a training step


def test_xla_computes_the_large_form_too_and_tells_its_fusions():
    """The stem's pooling pads in another way under XLA, which cannot pad inside of it."""
    scores = {}
    for mode in ("function", "xla"):
        cell = cell_of("resnet18@64", mode, mode="inference")
        _, step, body = made(FRAMEWORK, "resnet18@64", cell)
        scores[mode] = body().numpy()
    np.testing.assert_allclose(scores["xla"], scores["function"], rtol=1e-4, atol=1e-5)
    found = FRAMEWORK.kernels(step, cell, body)
    assert 0 < found["fused"] < found["kernels"]


def test_a_step_seen_in_its_phases_is_the_same_step():
    whole = made(FRAMEWORK, "conv6", cell_of("conv6"))[2]
    _, other, parted = made(FRAMEWORK, "conv6", cell_of("conv6"))
    marks: list[str] = []
    with FRAMEWORK.observed(other, marks.append):
        assert marks == []
        seen = parted().numpy()
    wanted = [whole().numpy() for _ in range(3)]
    np.testing.assert_allclose([seen, parted()], wanted[1:], rtol=1e-5)
    assert marks == ["forward", "backward", "optimizer"]


@pytest.mark.parametrize("mode", MODES)
def test_updates_with_work_between_them_are_marked_one_by_one(mode: str):
    """As CycleGAN's: what the first pass made goes through the host into the second one."""
    one, two = tf.Variable(1.0), tf.Variable(1.0)
    updates = (
        Update(lambda: (one * 3.0, (one * 2.0,)), [Sgd([one], 0.5, 0.0, 0.0)]),
        Update(lambda given: (two * given, ()), [Sgd([two], 0.5, 0.0, 0.0)]),
    )

    def joined(functions):
        def once():
            loss, given = functions[0]()
            return loss + functions[1](given)

        return once

    step = Step((), run=Training(updates, joined))
    body = FRAMEWORK.body(step, cell_of("conv6", mode), Setting())
    assert float(body()) == 5.0
    marks: list[str] = []
    with FRAMEWORK.observed(step, marks.append):
        body()
    assert marks == ["forward", "backward", "optimizer"] * 2
    assert float(one) == 1.0 - 3 * 1.5


def test_inference_has_no_phases():
    _, step, body = made(FRAMEWORK, "conv6", cell_of("conv6", mode="inference"))
    marks: list[str] = []
    with FRAMEWORK.observed(step, marks.append):
        body()
    assert marks == []


def test_another_batch_changes_the_loss_and_is_not_traced():
    spec, step, body = made(FRAMEWORK, "conv6", cell_of("conv6", mode="inference"))
    first = body().numpy()
    traced = FRAMEWORK.compilations()
    fresh = load_batch("synthetic", spec, 2, 1)
    FRAMEWORK.feed(step, fresh)
    assert not np.allclose(body(), first)
    FRAMEWORK.feed(step, load_batch("synthetic", spec, 2, 0))
    assert np.array_equal(body(), first)
    assert FRAMEWORK.compilations() == traced
    assert 0 <= FRAMEWORK.accuracy(step, fresh) <= 1
    assert FRAMEWORK.denormal_share(step) == 0


def test_both_domains_are_fed():
    step = made(FRAMEWORK, "cyclegan@32", cell_of("cyclegan@32", batch=1))[1]
    images = np.stack([np.full((3, 32, 32), value, np.float32) for value in (1, 2)])
    FRAMEWORK.feed(step, (images, np.zeros(2, np.int64)))
    assert [float(tf.reduce_max(domain)) for domain in step.batch] == pytest.approx(np.tanh([1.0, 2.0]))


# --- precision


def test_lower_precision_is_really_computed_in_and_parameters_stay_single():
    cell = cell_of("resnet18", precision="bf16", mode="inference")
    _, step, body = made(FRAMEWORK, "resnet18", cell)
    assert body().dtype == tf.bfloat16
    assert FRAMEWORK.arrays_of(body())[0].dtype == np.float32
    assert {v.dtype for v in step.models.trainable_variables} == {"float32"}
    assert FRAMEWORK.settings(step, cell, Setting("bf16"))["autocast"] == "bfloat16"
    exact = made(FRAMEWORK, "resnet18", cell_of("resnet18", mode="inference"))[2]().numpy()
    # bf16 keeps 8 bits of a number: 3 % covers the sum over a network's layers
    assert np.linalg.norm(FRAMEWORK.arrays_of(body())[0] - exact) < 0.03 * np.linalg.norm(exact)


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16"])
def test_products_have_the_error_of_their_precision(precision: str):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((512, 512), np.float32) for _ in range(2))
    low, high = MATH_ERRORS[precision]
    assert low <= math_error(FRAMEWORK.product(a, b, cell_of("conv6"), Setting(precision)), a, b) <= high


def test_half_precision_scales_losses_and_skips_what_is_not_finite():
    variable = tf.Variable([1.0])
    optimizer, scale = Sgd([variable], 1.0, 0.0, 0.0), LossScale()
    assert float(scale.up(tf.constant(1.0))) == 65536
    scale.apply([(optimizer, [tf.constant([65536.0])])])
    assert variable.numpy() == [0.0]
    scale.apply([(optimizer, [tf.constant([np.inf])])])
    assert variable.numpy() == [0.0]
    assert float(scale.up(tf.constant(1.0))) == 32768
    scale._good.assign(1999.0)
    scale.apply([(optimizer, [tf.constant([0.0])])])
    assert float(scale.up(tf.constant(1.0))) == 65536
    assert variable.numpy() == [0.0]


def test_several_optimizers_share_one_scale_of_the_loss():
    first, second = tf.Variable([1.0]), tf.Variable([1.0])
    optimizers, scale = [Sgd([variable], 1.0, 0.0, 0.0) for variable in (first, second)], LossScale()
    gradients = [[tf.constant([np.inf])], [tf.constant([65536.0])]]
    scale.apply(list(zip(optimizers, gradients, strict=True)))
    assert (first.numpy(), second.numpy()) == ([1.0], [0.0])  # the second one's gradient is 1, not 2
    assert float(scale.up(tf.constant(1.0))) == 32768


def test_a_step_in_half_precision_trains():
    spec = workload("conv6")
    step = FRAMEWORK.build(
        spec, cell_of("conv6", precision="fp16"), initial_weights(spec, 0), load_batch("synthetic", spec, 2, 0)
    )
    body = FRAMEWORK.body(step, cell_of("conv6", precision="fp16"), Setting("fp16"))
    losses = [float(body()) for _ in range(4)]
    assert losses[-1] < losses[0]


def test_dropout_can_be_turned_off_and_parameters_shaken():
    net = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(3)])
    net.build((2, 4))
    step, before = Step(net, mode="inference"), net.trainable_variables[0].numpy()
    FRAMEWORK.drop_nothing(step)
    assert net.layers[0].rate == 0.0
    FRAMEWORK.perturb(step, 1e-3, 0)
    change = np.abs(net.trainable_variables[0].numpy() / before - 1)
    assert 0 < change.max() < 1e-2


def test_a_built_in_step_is_shaken_too():
    _, step, _ = made(FRAMEWORK, "conv6", cell_of("conv6", "eager"))
    before = [variable.numpy() for model in step.model_list for variable in model.trainable_variables]
    FRAMEWORK.perturb(step, 1e-3, 0)
    after = [variable.numpy() for model in step.model_list for variable in model.trainable_variables]
    assert before
    assert all(np.abs(b - a).max() > 0 for a, b in zip(before, after, strict=True) if np.abs(a).max() > 0)
