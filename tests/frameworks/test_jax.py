"""JAX behind the protocol: it computes what PyTorch computes, is timed truly, and says what is in force."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("optax")
nnx = pytest.importorskip("flax.nnx")

import jax.numpy as jnp  # noqa: E402 - after the check for JAX
import numpy as np  # noqa: E402
import optax  # noqa: E402

from factories import make_cell  # noqa: E402
from gpugap.core.errors import BadStepFile, UnknownName, Unsupported  # noqa: E402
from gpugap.core.setting import Setting  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.core.workload import Layer, Network, Workload  # noqa: E402
from gpugap.frameworks.clocks import WINDOW_STEPS, HostClock, self_test  # noqa: E402
from gpugap.frameworks.jax import JaxFramework, nets  # noqa: E402
from gpugap.frameworks.jax.backends import CpuBackend, GpuBackend  # noqa: E402
from gpugap.frameworks.jax.compiled import _profiled  # noqa: E402
from gpugap.frameworks.jax.layouts import from_shared, to_shared, variables  # noqa: E402
from gpugap.frameworks.jax.nets.cyclegan import ImagePool  # noqa: E402
from gpugap.frameworks.jax.nets.layers import BatchNorm, FlatLinear, conv, linear, max_pool  # noqa: E402
from gpugap.frameworks.jax.update import SCALE  # noqa: E402
from gpugap.measure.details import _phases  # noqa: E402
from gpugap.measure.loop import run_window  # noqa: E402
from gpugap.stats.agreement import MATH_ERRORS, agree, math_error  # noqa: E402
from gpugap.workloads import all_workloads, workload  # noqa: E402
from gpugap.workloads.data import load_batch  # noqa: E402
from gpugap.workloads.weights import initial_weights, weight_shapes  # noqa: E402

pytestmark = pytest.mark.jax
MODES = ("jit", "op-by-op")


class Tiny(nnx.Module):
    """Every kind of layer a classifier has, small and of few shapes, so that op by op compiles little."""

    def __init__(self, rngs, dropout: float) -> None:
        self.conv1 = conv(rngs, (3, 4), 3, padding=1)
        self.bn1 = BatchNorm(rngs, 4)
        self.dropout = nnx.Dropout(dropout, rngs=rngs if dropout else None)
        self.fc1 = FlatLinear(rngs, 4, 4, 4)
        self.fc2 = linear(rngs, 4, 4)

    def __call__(self, images):
        hidden = max_pool(nnx.relu(self.bn1(self.conv1(images))), 2, 2)
        return self.fc2(nnx.relu(self.dropout(self.fc1(hidden))))


TINY = Workload(
    name="tiny@8",
    family="tiny",
    title="Tiny",
    image_size=8,
    classes=4,
    networks=(
        Network(
            "",
            (
                Layer("conv1", "conv", 3, 4, size=8, kernel=3, padding=1),
                Layer("bn1", "batchnorm", 4, 4),
                Layer("fc1", "linear", 64, 4),
                Layer("fc2", "linear", 4, 4),
            ),
        ),
    ),
    optimizer="adam",
    learning_rate=0.01,
    weight_decay=1e-3,
    source="",
)


@pytest.fixture(autouse=True)
def jax_state(monkeypatch: pytest.MonkeyPatch):
    """Knows the tiny network, and puts JAX's configuration back as it was."""
    monkeypatch.setitem(nets.BUILDERS, "tiny", lambda spec, rngs: [Tiny(rngs, spec.dropout)])
    yield
    for name, value in (("enable_x64", False), ("default_matmul_precision", None), ("default_device", None)):
        jax.config.update(f"jax_{name}", value)


def built(spec: Workload, framework: JaxFramework | None = None, *, batch: int = 4, threads=None, **factors):
    """A framework, a cell with its setting, and a built step with its body."""
    framework = framework or JaxFramework()
    cell = make_cell(**({"workload": spec.name, "framework": "jax", "batch": batch, "execution": None} | factors))
    setting = Setting(cell.precision, threads)
    framework.apply(cell, setting, 0)
    step = framework.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, batch, 0))
    return SimpleNamespace(
        framework=framework,
        cell=cell,
        setting=setting,
        step=step,
        body=framework.body(step, cell, setting),
        result=lambda body: framework.arrays_of(body())[0],
    )


# networks and parity


@pytest.mark.parametrize("name", sorted(all_workloads()))
def test_parameters_are_those_of_the_specification(name: str):
    spec, found = workload(name), {}
    for model, net in nets.named_models(spec, nets.build_nets(spec)):
        for key, layer, own in variables(net):
            if "running" not in key:
                found[f"{model}.{key}" if model else key] = getattr(layer, own).shape
    assert set(found) == set(weight_shapes(spec))
    assert sum(int(np.prod(shape)) for shape in found.values()) == spec.parameters


@pytest.mark.parametrize("name", ["conv6@32", "resnet18@32", "cyclegan@32"])
def test_layouts_go_there_and_back(name: str):
    spec = workload(name)
    weights = initial_weights(spec, 0)
    for model, net in nets.named_models(spec, nets.build_nets(spec)):
        for key, layer, own in variables(net):
            if "running" not in key:
                given = weights[f"{model}.{key}" if model else key]
                own_layout = from_shared(layer, own, given)
                assert own_layout.shape == getattr(layer, own).shape
                assert np.array_equal(to_shared(layer, own, own_layout), given)


def test_a_family_without_a_network_is_told():
    with pytest.raises(UnknownName, match="resnet18"):
        nets.build_nets(Workload("resnet19@32", "resnet19", "", 32, 10, (), "adam", 1e-3, ""))


def torch_twin(spec: Workload, cell, setting: Setting):
    pytest.importorskip("torch")
    from gpugap.frameworks.torch import TorchFramework

    framework = TorchFramework()
    weights, arrays = initial_weights(spec, 0), load_batch("synthetic", spec, cell.batch, 0)
    step = framework.build(spec, cell, weights, arrays)
    seen = framework.examine(spec, step, cell)
    return framework, step, seen, framework.body(step, cell, setting)


def check_examination(found, wanted, limit: float, gradient_limit: float | None = None) -> None:
    for mine, reference, most, floor in (
        (found.activations, wanted.activations, limit, 0.0),
        (found.gradients, wanted.gradients, gradient_limit or limit, 1e-3),
    ):
        if reference:
            agreement = agree(mine, reference, most, floor)
            assert agreement.passed, agreement
    assert found.losses == pytest.approx(wanted.losses, rel=limit)


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch):
    """VGG-16 and CycleGAN with fewer layers of the same kinds, in all three places: XLA compiles long for all."""
    pytest.importorskip("torch")
    rooms = ("workloads", "frameworks.torch.nets", "frameworks.jax.nets")
    for name, layers, value in (("cyclegan", "BLOCKS", 1), ("vgg16", "STAGES", ((8,), (8,), (16, 16), (16,), (16,)))):
        for module in [importlib.import_module(f"gpugap.{room}.{name}") for room in rooms]:
            monkeypatch.setattr(module, layers, value)


@pytest.mark.parametrize("name", ["conv6@32", "vgg16@32", "resnet18@64", "cyclegan@32"])
def test_three_steps_are_those_of_torch(name: str, shallow):
    """In double precision: losses, parameters and running statistics; one network of every kind of step."""
    spec = replace(workload(name), dropout=0.0)
    mine = built(spec, batch=2 if spec.classes else 1, precision="fp64")
    other, step, _, body = torch_twin(spec, mine.cell, mine.setting)
    for _ in range(3):
        np.testing.assert_allclose(mine.result(mine.body), other.arrays_of(body())[0], rtol=2e-7)
    agreement = agree(mine.framework.parameters(spec, mine.step), other.parameters(spec, step), 1e-7, 1e-3)
    assert agreement.passed, agreement


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("conv6@32", "train"),
        ("vgg16@32", "train"),
        ("vgg16@64", "train"),
        ("vgg16@32", "inference"),
        ("resnet18@32", "inference"),
        ("resnet18@64", "inference"),
    ],
)
def test_layers_losses_and_gradients_are_those_of_torch(name: str, mode: str, shallow):
    """In double precision."""
    spec = replace(workload(name), dropout=0.0)
    mine = built(spec, batch=2, precision="fp64", mode=mode)
    _, _, seen, body = torch_twin(spec, mine.cell, mine.setting)
    check_examination(mine.framework.examine(spec, mine.step, mine.cell), seen, 1e-9)
    if mode == "inference":
        np.testing.assert_allclose(mine.result(mine.body), body().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["conv6@32", "vgg16@32", "cyclegan@32"])
def test_layers_losses_and_gradients_in_single_precision(name: str, shallow):
    """A bias in front of a normalization has no gradient but rounding; held against all gradients, that is 1e-3."""
    mine = built(workload(name), batch=8 if workload(name).classes else 1)
    _, _, seen, _ = torch_twin(workload(name), mine.cell, mine.setting)
    found = mine.framework.examine(workload(name), mine.step, mine.cell)
    check_examination(found, seen, 1e-4, 1e-4 if name == "conv6@32" else 1e-3)


def test_translation_is_that_of_torch():
    spec = workload("cyclegan@32")
    mine = built(spec, mode="inference", batch=1)
    *_, body = torch_twin(spec, mine.cell, mine.setting)
    assert mine.result(mine.body).shape == (1, 3, 32, 32)
    np.testing.assert_allclose(mine.result(mine.body), body().numpy(), rtol=1e-4, atol=1e-5)


def test_the_image_pool_is_that_of_torch():
    torch = pytest.importorskip("torch")
    from gpugap.frameworks.torch.nets.cyclegan import ImagePool as TorchPool

    mine, other = ImagePool(3), TorchPool(3)
    for number in range(40):
        (image,) = mine.exchange([number])
        assert image == float(other.exchange(torch.full((1, 1), float(number))))


# execution modes, compilation, kernels


def test_op_by_op_compiles_every_primitive_and_jit_the_step_as_one():
    names = []
    jax.monitoring.register_event_duration_secs_listener(lambda _, __, **about: names.append(about.get("fun_name")))
    jax.clear_caches()
    mine, found = [built(TINY, execution=execution) for execution in MODES], {}
    for execution, one in zip(MODES, mine, strict=True):
        names.clear()
        before = one.framework.compilations()
        one.body()
        found[execution] = set(names), one.framework.compilations() - before
    assert found["jit"] == ({"update", "jit(update)"}, 1)
    primitives, count = found["op-by-op"]
    assert count > 50
    assert "jit(conv_general_dilated)" in primitives
    assert not {f"jit({name})" for name in ("update", "forward", "backward", "relu", "_where")} & primitives
    phases = mine[0].framework.compile_phases()
    assert set(phases) == {"trace_s", "compile_s"}
    assert all(value > 0 for value in phases.values())


def test_both_execution_modes_compute_the_same():
    found = {}
    for execution in MODES:
        mine = built(TINY, execution=execution)
        seen = mine.framework.examine(TINY, mine.step, mine.cell)
        losses = [float(mine.result(mine.body)) for _ in range(3)]
        assert losses[-1] < losses[0] == pytest.approx(seen.losses["loss"], rel=1e-6)
        found[execution] = mine.framework.parameters(TINY, mine.step), seen.gradients
    for jitted, plain in zip(*found.values(), strict=True):
        assert agree(plain, jitted, 1e-3, 1e-3).passed


@pytest.mark.parametrize("mode", ["train", "inference"])
@pytest.mark.parametrize("execution", MODES)
def test_nothing_is_compiled_after_the_first_step(execution: str, mode: str):
    mine = built(TINY, execution=execution, mode=mode)
    framework = mine.framework
    mine.body()
    before = framework.compilations()
    run_window(mine.body, framework.clock("cpu"), 5)
    framework.feed(mine.step, load_batch("synthetic", TINY, 4, 1))
    run_window(mine.body, framework.clock("cpu"), 5)
    assert framework.compilations() == before


def test_an_own_run_is_op_by_op_when_asked():
    seen = []
    step = Step((), run=lambda _: seen.append(jax.config.jax_disable_jit))
    for execution in MODES:
        JaxFramework().body(step, make_cell(framework="jax", execution=execution), Setting())()
    assert seen == [False, True]


@pytest.mark.parametrize("mode", ["train", "inference"])
def test_kernels_are_those_of_the_profile(mode: str):
    counts = {}
    for execution in MODES:
        mine = built(TINY, execution=execution, mode=mode)
        mine.body()
        before = mine.framework.compilations()
        counts[execution] = mine.framework.kernels(mine.step, mine.cell, mine.body)
        assert mine.framework.compilations() == before
        assert _profiled(mine.body, mine.framework._fence.wait) == counts[execution]["kernels"]
    assert counts["op-by-op"]["fused"] == 0 < counts["jit"]["fused"] <= counts["jit"]["kernels"]
    assert counts["jit"]["kernels"] < counts["op-by-op"]["kernels"]


def test_kernels_of_an_own_run_are_not_guessed():
    framework, cell = JaxFramework(), make_cell(framework="jax", execution="jit")
    found = framework.kernels(Step((), run=lambda _: None), cell, lambda: None)
    assert found["kernels"] is found["fused"] is None


# phases, clock, feeding


@pytest.mark.parametrize("execution", MODES)
def test_phases_are_seen_and_the_step_goes_on_as_before(execution: str):
    mine, plain = (built(TINY, execution=execution) for _ in range(2))
    whole = mine.step.run.updates[0].function
    found = _phases(SimpleNamespace(cell=mine.cell), mine.framework, mine.step, mine.body, 2)
    assert set(found) == {"forward", "backward", "optimizer"}
    assert all(len(times) == 2 and min(times) > 0 for times in found.values())
    assert mine.step.run.updates[0].function is whole
    plain.body()
    plain.body()
    assert float(mine.result(mine.body)) == pytest.approx(float(plain.result(plain.body)), rel=1e-5)


def test_inference_has_one_phase():
    mine = built(TINY, mode="inference")
    assert set(_phases(SimpleNamespace(cell=mine.cell), mine.framework, mine.step, mine.body, 2)) == {"forward"}


def test_the_clock_reads_true_where_a_clock_without_a_fence_does_not():
    """Of the same work; bounds are wide, since this machine is shared. JAX returns long before the work is done."""
    framework = JaxFramework()
    launch, length_s = framework.known_work("cpu")
    assert 0.4 < self_test(framework.clock("cpu"), launch, length_s) < 2.5
    assert framework.clock("cpu").window_steps == 1
    framework._fence.wait()
    assert self_test(HostClock(), launch, length_s) < 0.4


def test_the_fence_waits_for_all_arrays_where_it_does_not_know_better():
    framework = JaxFramework()
    square = jnp.full((768, 768), 1 / 768)
    multiply = jax.jit(jnp.matmul)
    framework.body(Step((), run=lambda _: None), make_cell(framework="jax", execution="jit"), Setting())()
    late = square
    for _ in range(10):
        late = multiply(late, square)
    framework.clock("cpu").start()
    assert late.is_ready()


def test_feeding_changes_the_loss_and_the_same_batch_gives_the_same():
    mine = built(TINY, mode="inference")
    first = mine.result(mine.body)
    mine.framework.feed(mine.step, load_batch("synthetic", TINY, 4, 1))
    assert not np.allclose(mine.result(mine.body), first)
    mine.framework.feed(mine.step, load_batch("synthetic", TINY, 4, 0))
    assert np.array_equal(mine.result(mine.body), first)


def test_feeding_cyclegan_gives_both_domains():
    spec = workload("cyclegan@32")
    mine = built(spec, batch=1)
    first = [np.asarray(domain) for domain in mine.step.batch]
    mine.framework.feed(mine.step, load_batch("synthetic", spec, 1, 1))
    assert not np.allclose(np.asarray(mine.step.batch[0]), first[0])
    mine.framework.feed(mine.step, load_batch("synthetic", spec, 1, 0))
    assert all(np.array_equal(np.asarray(now), then) for now, then in zip(mine.step.batch, first, strict=True))


def test_dropout_drops_something_else_at_every_step_and_nothing_in_inference():
    spec = replace(TINY, dropout=0.5, learning_rate=0.0)
    losses = [[float(one.result(one.body)) for _ in range(3)] for one in (built(spec), built(spec))]
    assert losses[0] == losses[1]  # the same seed
    assert len(set(losses[0])) == 3
    calm = built(spec, mode="inference")
    assert np.array_equal(calm.result(calm.body), calm.result(calm.body))
    assert nets.build_nets(workload("vgg16@224"))[0].dropout.rate == 0.5


# settings and devices


def test_what_is_in_force_is_read_back():
    mine = built(TINY, precision="bf16")
    found = mine.framework.settings(mine.step, mine.cell, mine.setting)
    assert found["compute_type"] == "bfloat16"
    assert (found["memory_format"], found["execution"]) == ("channels_last", "jit")
    assert (found["default_matmul_precision"], found["enable_x64"]) == ("highest", False)
    assert found["donated_state"] is True
    assert found["gpu_preallocation"] is False
    double = built(TINY, precision="fp64", mode="inference")
    found = double.framework.settings(double.step, double.cell, double.setting)
    assert (found["compute_type"], found["enable_x64"], found["donated_state"]) == (None, True, False)
    assert double.result(double.body).dtype == np.float64
    empty = double.framework.settings(Step((), run=lambda _: None), double.cell, double.setting)
    assert empty["memory_format"] is empty["compute_type"] is None


def test_jit_is_in_force_whatever_was_set_before():
    jax.config.update("jax_disable_jit", True)  # as ``JAX_DISABLE_JIT`` does
    apply(JaxFramework(), "cpu")
    assert not jax.config.jax_disable_jit


def test_bf16_computes_in_bf16_on_parameters_in_single_precision():
    half, full = (built(TINY, precision=precision) for precision in ("bf16", "fp32"))
    losses = [float(half.result(half.body)) for _ in range(3)]
    assert losses[-1] < losses[0] == pytest.approx(float(full.result(full.body)), rel=0.02)
    assert all(value.dtype == np.float32 for value in half.framework.parameters(TINY, half.step).values())
    scores = built(TINY, precision="bf16", mode="inference")
    assert scores.body().dtype == jnp.bfloat16


CHILD = """
import json, sys
from gpugap.core.cell import Cell
from gpugap.core.errors import Unsupported
from gpugap.core.setting import Setting
from gpugap.frameworks.jax import JaxFramework
framework, cell = JaxFramework(), Cell("conv6@32", "cpu", "jax", "train", 2, "fp32")
framework.apply(cell, Setting(threads=3), 0)
from gpugap.core.step import Step
found = [framework.settings(Step((), run=lambda _: None), cell, Setting())["threads"]]
try:
    framework.apply(cell, Setting(threads=2), 0)
except Unsupported as error:
    found.append(str(error))
print(json.dumps(found + [[device.name for device in framework.devices()], dict(framework.versions())]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="XLA's threads are counted in /proc")
def test_threads_are_set_before_xla_starts_and_counted():
    answer = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=120)
    assert answer.stderr == ""
    threads, error, devices, versions = json.loads(answer.stdout)
    assert threads == 3
    assert "3 threads" in error and "\n" not in error
    assert devices[0] == "cpu"
    assert {"jax", "jaxlib", "flax", "optax", "numpy", "python"} <= set(versions)


class FakeGpu:
    """A device of JAX's GPU build."""

    def __init__(self, number: int = 0, capability: str = "8.0", platform: str = "PJRT C API\ncuda 13000") -> None:
        self.device_kind, self.compute_capability = f"NVIDIA Made-Up {number}", capability
        self.client = SimpleNamespace(platform_version=platform)
        self._number = number

    def memory_stats(self):
        return {"peak_bytes_in_use": 1000 + self._number, "peak_pool_bytes": 2000, "bytes_limit": 1 << 30}


def with_gpus(*gpus: FakeGpu) -> JaxFramework:
    return JaxFramework((CpuBackend(), GpuBackend(lambda: gpus, place_on=jax.devices("cpu")[0])))


def test_gpus_are_listed_and_described():
    assert [device.name for device in with_gpus().devices()] == ["cpu"]
    assert [device.name for device in with_gpus(FakeGpu()).devices()] == ["cpu", "cuda"]
    _, _, second = with_gpus(FakeGpu(0, "7.5"), FakeGpu(1, "9.0")).devices()
    assert (second.name, second.model, second.memory_bytes) == ("cuda:1", "NVIDIA Made-Up 1", None)
    assert second.details == {"compute_capability": "9.0", "allocator_limit_bytes": 1 << 30, "build": "cuda"}
    assert JaxFramework().devices()[0].name == "cpu"


def apply(framework: JaxFramework, device: str, precision: str = "fp32", execution: str | None = None) -> None:
    cell = make_cell(device=device, framework="jax", execution=execution, precision=precision)
    framework.apply(cell, Setting(precision), 0)


@pytest.mark.parametrize("device", ["cuda:2", "cuda:x", "cuda:-1", "tpu", "mps", "cpu:1", ""])
def test_an_unknown_device_is_told(device: str):
    with pytest.raises(UnknownName, match="device") as error:
        apply(with_gpus(FakeGpu(), FakeGpu(1)), device)
    assert "\n" not in str(error.value)


def test_what_is_not_there_is_unsupported():
    with pytest.raises(Unsupported, match="doctor"):
        apply(JaxFramework(), "cuda")
    for precision in ("fp16", "tf32"):
        with pytest.raises(Unsupported, match=precision):
            apply(JaxFramework(), "cpu", precision)
    with pytest.raises(UnknownName, match="op-by-op"):
        apply(JaxFramework(), "cpu", execution="eager")


def test_what_an_old_gpu_cannot_do_is_unsupported():
    mixed = with_gpus(FakeGpu(0, "7.5"), FakeGpu(1, "8.0"))
    for precision in ("bf16", "tf32"):
        with pytest.raises(Unsupported, match=r"7\.5"):
            apply(mixed, "cuda:0", precision)
        apply(mixed, "cuda:1", precision)
    apply(mixed, "cuda:0", "fp16")
    amd = with_gpus(FakeGpu(0, "gfx942", "rocm 60300"))
    apply(amd, "cuda", "bf16")
    with pytest.raises(Unsupported, match="AMD"):
        apply(amd, "cuda", "tf32")
    assert amd.devices()[1].details["build"] == "rocm"


def test_tf32_is_asked_for_and_kept_out():
    gpu = with_gpus(FakeGpu())
    apply(gpu, "cuda", "tf32")
    assert jax.config.jax_default_matmul_precision == "tensorfloat32"
    apply(gpu, "cuda", "fp32")
    assert jax.config.jax_default_matmul_precision == "highest"


def test_a_gpu_is_timed_by_windows_and_its_memory_read():
    gpu = with_gpus(FakeGpu(0), FakeGpu(1))
    assert gpu.clock("cuda").window_steps == WINDOW_STEPS
    assert gpu.clock("cuda", single=True).window_steps == 1
    assert gpu.memory("cuda:1") == {"peak_allocated_bytes": 1001, "peak_reserved_bytes": 2000}
    assert gpu.memory("cpu") == {"peak_allocated_bytes": None, "peak_reserved_bytes": None}
    arrays = load_batch("synthetic", TINY, 4, 0)
    images, labels = gpu.copier(arrays, "cuda")()
    assert (images.shape, labels.dtype) == ((4, 8, 8, 3), np.int32)
    assert gpu.copier(arrays, "cpu") is None


def test_half_precision_scales_the_loss_and_skips_a_step_that_overflows():
    mine = built(TINY, with_gpus(FakeGpu()), device="cuda", precision="fp16")
    losses = [float(mine.result(mine.body)) for _ in range(3)]
    assert losses[-1] < losses[0]
    update = mine.step.run.updates[0]
    assert float(update.state.scale[0]) == SCALE and int(update.state.scale[1]) == 3
    before = mine.framework.parameters(TINY, mine.step)
    images, labels = load_batch("synthetic", TINY, 4, 0)
    mine.framework.feed(mine.step, (images * np.float32(1e6), labels))
    mine.body()
    after = mine.framework.parameters(TINY, mine.step)
    assert float(update.state.scale[0]) == SCALE / 2 and int(update.state.scale[1]) == 0
    assert all(np.array_equal(before[key], after[key]) for key in before if "running" not in key)


# results


def test_accuracy_is_that_of_the_scores():
    mine = built(TINY)
    arrays = load_batch("synthetic", TINY, 10, 3)
    for _ in range(2):
        mine.body()
        found = mine.framework.accuracy(mine.step, arrays)
    model = nnx.clone(mine.step.models)
    model.eval()
    scores = np.asarray(model(arrays[0].transpose(0, 2, 3, 1)))
    assert found == pytest.approx(float((scores.argmax(1) == arrays[1]).mean()))
    assert mine.step.run.updates[0].state.params is not None
    mine.body()


def test_results_are_judged():
    framework = JaxFramework()
    assert framework.is_finite({"a": jnp.ones(3), "b": [1.0, jnp.arange(3), "words"]})
    assert not framework.is_finite([jnp.array([1.0, jnp.nan])])
    assert not framework.is_finite(jnp.array(jnp.inf, jnp.bfloat16))
    assert framework.arrays_of((jnp.ones((2, 4, 4, 3)), jnp.ones(2)))[0].shape == (2, 3, 4, 4)
    with pytest.raises(Exception) as error:
        jnp.ones((1 << 50,))
    assert framework.is_out_of_memory(error.value)
    assert framework.is_out_of_memory(MemoryError())
    assert not framework.is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16"])
def test_the_math_mode_speaks_in_a_product(precision: str):
    framework, random = JaxFramework(), np.random.default_rng(0)
    a, b = (random.standard_normal((256, 256), np.float32) for _ in range(2))
    cell = make_cell(framework="jax", precision=precision, execution=None)
    framework.apply(cell, Setting(precision), 0)
    low, high = MATH_ERRORS[precision]
    assert low <= math_error(framework.product(a, b, cell, Setting(precision)), a, b) <= high


def test_denormal_parameters_are_counted():
    mine = built(TINY, mode="inference")
    assert mine.framework.denormal_share(mine.step) == 0
    mine.step.models.fc2.bias = nnx.Param(jax.device_put(np.full(4, 1e-40, np.float32)))
    assert mine.framework.denormal_share(mine.step) == pytest.approx(4 / TINY.parameters)
    assert mine.framework.denormal_share(Step((), run=lambda _: None)) is None


# a user's own steps


class Adder(nnx.Module):
    def __init__(self) -> None:
        self.scale = nnx.Param(jnp.ones(1))

    def __call__(self, a, b):
        return self.scale[...] * (a + b)


def square(outputs, targets):
    return ((outputs - targets) ** 2).mean()


def body_of(step: Step, precision: str = "fp32"):
    cell = make_cell(framework="jax", execution="jit", mode=step.mode)
    return JaxFramework().body(step, cell, Setting(precision))


@pytest.mark.parametrize("as_optimizer", [False, True])
@pytest.mark.parametrize("inputs", [(np.ones(3, np.float32),) * 2, dict.fromkeys("ab", np.ones(3, np.float32))])
def test_a_users_model_is_trained_on_a_copy(inputs, as_optimizer: bool):
    model, optimizer = Adder(), optax.sgd(0.01, momentum=0.9)
    if as_optimizer:
        optimizer = nnx.Optimizer(model, optimizer, wrt=nnx.Param)
    step = Step(model, (inputs, np.zeros(3, np.float32)), square, optimizer)
    once = body_of(step)
    losses = [float(once()) for _ in range(3)]
    assert losses[0] == 4.0 > losses[1] > losses[2]
    assert float(model.scale[...][0]) == 1.0


def test_a_users_step_without_targets():
    ones = np.ones(2, np.float32)
    step = Step(Adder(), ((ones, ones),), lambda outputs: outputs.sum(), optax.sgd(1.0))
    assert float(body_of(step)()) == 4.0
    assert body_of(Step(Adder(), ((ones, ones),), mode="inference"))().shape == (2,)


def test_a_users_layers_compute_in_the_settings_precision():
    step = Step(nnx.Linear(4, 2, rngs=nnx.Rngs(0)), np.ones((3, 4), np.float32), mode="inference")
    assert body_of(step, "bf16")().dtype == jnp.bfloat16
    assert step.models.dtype is None
    assert body_of(step, "fp32")().dtype == jnp.float32


def test_steps_that_cannot_be_run_are_told():
    ones = np.ones(2, np.float32)
    for model, optimizers, words in (
        (Adder(), (), "one optimizer"),
        (Adder(), (optax.sgd(0.1), optax.sgd(0.1)), "one optimizer"),
        (Adder(), ("sgd",), "one optimizer"),
        (lambda a, b: a + b, optax.sgd(0.1), "NNX module"),
    ):
        with pytest.raises(BadStepFile, match=words) as error:
            body_of(Step(model, ((ones, ones), ones), square, optimizers))
        assert "\n" not in str(error.value)


def test_preparing_a_step_again_keeps_what_it_has_learned():
    mine = built(TINY)
    for _ in range(2):
        mine.body()
    before = mine.framework.parameters(TINY, mine.step)
    again = mine.framework.body(mine.step, mine.cell, Setting("bf16"))
    after = mine.framework.parameters(TINY, mine.step)
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert mine.framework.settings(mine.step, mine.cell, mine.setting)["compute_type"] == "bfloat16"
    again()
    mine.framework.body(mine.step, mine.cell, Setting())
    assert mine.framework.settings(mine.step, mine.cell, mine.setting)["compute_type"] is None


def test_dropout_can_be_turned_off_and_parameters_shaken():
    net = Tiny(nnx.Rngs(0), 0.5)
    net.fc2.kernel[...] = jnp.ones_like(net.fc2.kernel[...])
    step, framework = Step(net, mode="inference"), JaxFramework()
    framework.drop_nothing(step)
    assert net.dropout.rate == 0.0
    framework.perturb(step, 1e-3, 0)
    assert 0 < np.abs(np.asarray(net.fc2.kernel[...]) - 1).max() < 1e-2
