"""TensorFlow behind the protocol: clocks, settings, errors, a stand-in for a GPU, users' own steps, whole processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")

from factories import make_cell, make_job
from gpugap.core.errors import BadStepFile, UnknownName, Unsupported
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.frameworks.clocks import HostClock, WindowClock, self_test
from gpugap.frameworks.tensorflow import TensorFlowFramework
from gpugap.frameworks.tensorflow.backends import CpuBackend, CudaBackend
from gpugap.frameworks.tensorflow.start import keras, tf
from gpugap.measure.loop import run_window
from gpugap.measure.runner import run_job
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights

pytestmark = pytest.mark.tensorflow
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


# --- clocks, settings, results


def test_the_clock_reads_true_and_a_call_on_the_cpu_returns_when_its_work_is_done():
    clock = FRAMEWORK.clock("cpu")
    assert isinstance(clock, HostClock)
    assert 0.9 < self_test(clock, *FRAMEWORK.known_work("cpu")) < 20
    square = tf.random.normal((1200, 1200))
    for jit in (False, True):
        work = tf.function(lambda: tf.reduce_sum(square @ square @ square), jit_compile=jit)
        work()
        assert min(_waited_for(work) for _ in range(5)) < 1.5
    assert FRAMEWORK.copier((np.ones(1), np.ones(1)), "cpu") is None
    assert set(FRAMEWORK.memory("cpu").values()) == {None}


def _waited_for(work) -> float:
    """How much longer a result takes than the call that gives it, as a ratio."""
    begin = time.perf_counter()
    result = work()
    called = time.perf_counter() - begin
    result.numpy()
    tf.test.experimental.sync_devices()
    return (time.perf_counter() - begin) / called


def test_settings_are_read_back():
    spec, cell = workload("conv6"), cell_of("conv6")
    FRAMEWORK.apply(cell, Setting(), 0)
    step = FRAMEWORK.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, 2, 0))
    found = FRAMEWORK.settings(step, cell, Setting())
    assert (found["tf32"], found["autocast"], found["memory_format"]) == (False, None, "channels_last")
    assert found["threads"] >= 1
    tf.config.experimental.enable_tensor_float_32_execution(True)
    assert FRAMEWORK.settings(step, cell, Setting())["tf32"] is True
    first = keras.layers.Conv2D(1, 1, data_format="channels_first", dtype="mixed_bfloat16")
    other = Step([first, keras.layers.Dense(1)], run=lambda _: None)
    found = FRAMEWORK.settings(other, cell, Setting())
    assert (found["memory_format"], found["autocast"], found["execution"]) == ("contiguous", "bfloat16", None)


NAN = float("nan")


def test_results_are_judged():
    finite = [
        tf.ones(3),
        tf.ones(3, tf.int64),
        {"a": tf.ones(1, tf.bfloat16), "n": 3},
        [tf.ones(1), (2.0, "b")],
        None,
        (),
    ]
    assert all(map(FRAMEWORK.is_finite, finite))
    wrong = [tf.constant([1.0, NAN]), {"a": tf.constant(np.inf, tf.float16)}, [tf.ones(1), (2.0, NAN)]]
    assert not any(map(FRAMEWORK.is_finite, wrong))
    assert [a.shape for a in FRAMEWORK.arrays_of((tf.ones(2), tf.ones((1, 4, 5, 3))))] == [(2,), (1, 3, 4, 5)]
    assert FRAMEWORK.is_out_of_memory(MemoryError())
    with pytest.raises(tf.errors.ResourceExhaustedError) as error:
        tf.zeros((10**6, 10**6, 4))
    assert FRAMEWORK.is_out_of_memory(error.value)
    assert not FRAMEWORK.is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    ("factors", "error", "words"),
    [
        ({"device": "tpu"}, UnknownName, "device"),
        ({"device": "cpu:1"}, UnknownName, "device"),
        ({"device": "cuda"}, Unsupported, "doctor"),
        ({"precision": "tf32"}, Unsupported, "tf32"),
        ({"precision": "fp16"}, Unsupported, "fp16"),
        ({"execution": "compile"}, UnknownName, "function"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(factors: dict, error: type, words: str):
    framework = TensorFlowFramework((CpuBackend(tf.config), CudaBackend(FakeConfig(()), lambda: None)))
    cell = cell_of("conv6", **factors)
    with pytest.raises(error) as raised:
        framework.apply(cell, Setting(cell.precision), 0)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("flags", ["--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit", "--x=1 --tf_xla_auto_jit=fusible"])
def test_graphs_that_xla_compiles_parts_of_are_refused(monkeypatch: pytest.MonkeyPatch, flags: str):
    monkeypatch.setenv("TF_XLA_FLAGS", flags)
    for execution in (None, "function", "unfused"):
        with pytest.raises(Unsupported, match="unset TF_XLA_FLAGS"):
            FRAMEWORK.apply(cell_of("conv6", execution), Setting(), 0)
    FRAMEWORK.apply(cell_of("conv6", "xla"), Setting(), 0)
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=0")
    FRAMEWORK.apply(cell_of("conv6", "function"), Setting(), 0)


def test_functions_run_as_graphs_whatever_was_set_before():
    tf.config.run_functions_eagerly(True)
    FRAMEWORK.apply(cell_of("conv6", "function"), Setting(), 0)
    assert not tf.config.functions_run_eagerly()


def test_threads_cannot_be_changed_once_tensorflow_runs():
    tf.ones(1)
    with pytest.raises(Unsupported, match="process of its own"):
        FRAMEWORK.apply(cell_of("conv6"), Setting(threads=7), 0)


def test_versions():
    found = FRAMEWORK.versions()
    assert (found["tensorflow"], found["keras"]) == (tf.__version__, keras.__version__)


# --- a stand-in for a GPU


class FakeConfig:
    """``tf.config`` with made-up GPUs."""

    def __init__(self, capabilities) -> None:
        self.gpus = [f"GPU:{index}" for index in range(len(capabilities))]
        self._capabilities = dict(zip(self.gpus, capabilities, strict=True))
        self.visible, self.grown, self.calls = list(self.gpus), set(), []
        self.experimental = self

    def list_physical_devices(self, kind):
        return self.gpus

    def get_visible_devices(self, kind):
        return self.visible

    def set_visible_devices(self, devices, kind):
        if "started" in self.calls:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = devices

    def get_device_details(self, device):
        return {"device_name": f"Made-Up {device}", "compute_capability": self._capabilities[device]}

    def get_memory_growth(self, device):
        return device in self.grown

    def set_memory_growth(self, device, enable):
        self.grown.add(device)

    def reset_memory_stats(self, device):
        self.calls.append(("reset", device))

    def get_memory_info(self, device):
        return {"current": 1, "peak": 1000}


def with_gpus(*capabilities):
    config, fences = FakeConfig(capabilities), []
    return (
        TensorFlowFramework((CpuBackend(config), CudaBackend(config, lambda: fences.append("fence"), "/CPU:0"))),
        config,
        fences,
    )


def test_gpus_are_listed_shown_alone_and_their_memory_grows():
    framework, config, _ = with_gpus((8, 0), (9, 0))
    assert [device.name for device in framework.devices()] == ["cpu", "cuda:0", "cuda:1"]
    assert framework.devices()[2].details["compute_capability"] == "9.0"
    framework.apply(cell_of("conv6", device="cuda:1", precision="tf32"), Setting("tf32"), 0)
    assert (config.visible, config.grown, config.calls) == (["GPU:1"], {"GPU:1"}, [("reset", "GPU:0")])
    assert tf.config.experimental.tensor_float_32_execution_enabled()
    assert framework.memory("cuda:1") == {"peak_allocated_bytes": 1000, "peak_reserved_bytes": None}
    framework.apply(cell_of("conv6"), Setting(), 0)
    assert config.visible == []
    config.calls.append("started")
    with pytest.raises(Unsupported, match="process of its own"):
        framework.apply(cell_of("conv6", device="cuda:0"), Setting(), 0)
    for device, error in (("cuda:2", UnknownName), ("cuda:x", UnknownName)):
        with pytest.raises(error):
            framework.apply(cell_of("conv6", device=device), Setting(), 0)


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_what_an_old_gpu_cannot_do_is_unsupported(precision: str):
    framework, _, _ = with_gpus((7, 5))
    with pytest.raises(Unsupported, match=r"7\.x"):
        framework.apply(cell_of("conv6", device="cuda", precision=precision), Setting(precision), 0)
    framework.apply(cell_of("conv6", device="cuda", precision="fp16"), Setting("fp16"), 0)


def test_a_gpu_is_timed_by_windows_between_fences():
    framework, _, fences = with_gpus((8, 0))
    clock = framework.clock("cuda")
    assert isinstance(clock, WindowClock)
    assert framework.clock("cuda", single=True).window_steps == 1
    times, _ = run_window(lambda: fences.append("step"), clock, 7)
    five = ["step"] * 5
    assert (len(times), fences) == (2, ["fence", *five, "fence", "step", "step", "fence"])
    arrays = load_batch("synthetic", workload("conv6"), 2, 0)
    copied = framework.copier(arrays, "cuda")()
    assert all(np.array_equal(one, other) for one, other in zip(copied, arrays, strict=True))


# --- users' own steps


def test_a_users_keras_model_is_trained_as_documented():
    net = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones", dtype="float32")])
    batch = (np.ones((2, 3), np.float32), np.zeros((2, 1), np.float32))
    step = Step(net, batch, lambda out, wanted: tf.reduce_mean((out - wanted) ** 2), keras.optimizers.SGD(0.1))
    for mode in ("function", "eager"):
        body = FRAMEWORK.body(step, cell_of("conv6", mode), Setting())
        losses = [float(body()) for _ in range(3)]
        assert losses[0] > losses[1] > losses[2]
        assert FRAMEWORK.kernels(step, cell_of("conv6", mode), body)["kernels"] > 3


@pytest.mark.parametrize(
    "inputs", [(np.ones(3), np.ones(3)), {"a": np.ones(3), "b": np.ones(3)}], ids=["tuple", "dict"]
)
def test_a_users_model_takes_several_inputs(inputs):
    step = Step(lambda a, b: a + b, (inputs,), mode="inference")
    assert FRAMEWORK.body(step, cell_of("conv6"), Setting())().numpy().tolist() == [2, 2, 2]


def test_several_optimizers_say_what_each_updates():
    parts = [keras.layers.Dense(2), keras.layers.Dense(1)]
    net = keras.Sequential(parts)
    net.build((None, 2))
    optimizers = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)]
    step = Step(net, (tf.ones((4, 2)), tf.zeros((4, 1))), lambda out, wanted: tf.reduce_sum(out - wanted), optimizers)
    with pytest.raises(BadStepFile, match="build"):
        FRAMEWORK.body(step, cell_of("conv6"), Setting())
    for optimizer, part in zip(optimizers, parts, strict=True):
        optimizer.build(part.trainable_variables)
    before = [variable.numpy() for variable in net.trainable_variables]
    FRAMEWORK.body(step, cell_of("conv6"), Setting())()
    assert all(not np.array_equal(old, now) for old, now in zip(before, net.trainable_variables, strict=True))


@pytest.mark.parametrize("optimizers", [(), "adam"])
def test_a_training_step_needs_keras_optimizers(optimizers):
    step = Step(keras.layers.Dense(1), (tf.ones((1, 1)), tf.ones(1)), lambda out, wanted: out, optimizers)
    with pytest.raises(BadStepFile, match="optimizer"):
        FRAMEWORK.body(step, cell_of("conv6"), Setting())


def test_a_users_own_run_is_called_as_it_is():
    ran: list[bool] = []
    inside = tf.function(lambda: ran.append(tf.executing_eagerly()) or tf.ones(1))
    step = Step((), run=lambda _: inside())
    for mode in ("function", "eager", "eager"):
        FRAMEWORK.body(step, cell_of("conv6", mode), Setting())()
    assert ran == [False, True, True]
    assert not tf.config.functions_run_eagerly()
    with pytest.raises(Unsupported, match="jit_compile"):
        FRAMEWORK.body(step, cell_of("conv6", "xla"), Setting())


# --- in processes of their own


def test_a_real_process_sets_threads_and_is_quiet(capfd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")  # of which TensorFlow tells at any log level
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    job = make_job(warmup_steps=1, steps=2, batch=2)
    cell = cell_of("conv6", "function", mode="inference")
    record = run_job(replace(job, cell=cell, setting=Setting(threads=1)), {})
    assert (record.status, record.error) == ("ok", None)
    assert (record.settings["threads"], record.settings["tf_enable_onednn_opts"]) == (1, "1")
    assert record.settings["interop_threads"] == 1  # or two operations would run at once, on two cores
    assert record.phases["trace_s"] > 0
    assert record.guards["compilations"] == 0
    assert capfd.readouterr().err == ""


def test_a_graph_without_fusion_has_none_under_onednn():
    """Its pass over graphs joins convolutions and biases by itself, so the count is taken where it runs."""
    script = """
from gpugap.core.cell import Cell
from gpugap.core.setting import Setting
from gpugap.frameworks import load
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights
framework, spec = load("tensorflow"), workload("conv6")
for execution in ("eager", "unfused", "function"):
    cell = Cell("conv6@32", "cpu", "tensorflow", "inference", 2, "fp32", execution=execution)
    framework.apply(cell, Setting(), 0)
    step = framework.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, 2, 0))
    body = framework.body(step, cell, Setting())
    body()
    found = framework.kernels(step, cell, body)
    print(execution, found["kernels"], found["fused"])
"""
    variables = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1"}
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=variables, check=True)
    told = {line.split()[0]: tuple(map(int, line.split()[1:])) for line in answer.stdout.splitlines()}
    assert told["eager"] == told["unfused"] == (29, 0)  # 6 convolutions, 3 products, 9 biases, 8 rectifiers, 3 poolings
    assert told["function"][0] < 29
    assert told["function"][1] >= 6


def test_keras_with_another_backend_is_refused():
    script = """
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
import types
keras = types.ModuleType("keras")
keras.backend = types.SimpleNamespace(backend=lambda: "jax")
sys.modules["keras"] = keras
from gpugap.core.errors import Unsupported
try:
    import gpugap.frameworks.tensorflow
except Unsupported as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "KERAS_BACKEND=tensorflow" in answer.stdout
    assert answer.stderr == ""
