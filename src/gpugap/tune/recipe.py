"""The lines to paste: environment variables, how to start the program, and code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpugap.core.setting import Setting
from gpugap.sensors.libraries import preloadable_allocators

_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What puts a setting in force without gpugap.

    Attributes:
        environment: lines of a shell, before the program starts.
        code: lines of Python, in order; of PyTorch around ``model``, ``inputs``, ``targets``, ``loss_of``,
            ``optimizer``.
    """

    environment: tuple[str, ...]
    code: tuple[str, ...]

    def to_dict(self) -> dict[str, list[str]]:
        """For the JSON output."""
        return {"environment": list(self.environment), "code": list(self.code)}


def recipe(setting: Setting, execution: str, framework: str, *, device: str = "cpu", mode: str = "train") -> Recipe:
    """The lines for one setting.

    Args:
        setting: to be put in force.
        execution: mode of the framework.
        framework: whose code is written.
        device: ``cpu``, ``cuda`` or ``mps``.
        mode: ``train`` or ``inference``.
    """
    writers = {"torch": _torch, "tensorflow": _tensorflow, "jax": _jax}
    write = writers.get(framework)
    code = tuple(write(setting, execution, device.partition(":")[0], mode)) if write else ()
    return Recipe(tuple(_environment(setting, framework)), code)


def _environment(setting: Setting, framework: str) -> Iterator[str]:
    if setting.allocator is not None:
        file = preloadable_allocators().get(setting.allocator, f"lib{setting.allocator}.so")
        yield f'export LD_PRELOAD="{file}${{LD_PRELOAD:+ $LD_PRELOAD}}"'
    if setting.onednn is not None:
        yield f"export TF_ENABLE_ONEDNN_OPTS={int(setting.onednn)}"
    if framework == "jax" and setting.threads is not None:
        yield f"export PJRT_NPROC={setting.threads}"
    for name, value in setting.variables:
        yield f"export {name}={value}"
    if setting.cores is not None:
        yield f"taskset --cpu-list {','.join(map(str, setting.cores))} python your_program.py"
    if setting.workers is not None:
        yield f"# loader: DataLoader(..., num_workers={setting.workers})"


def _torch(setting: Setting, execution: str, kind: str, mode: str) -> Iterator[str]:
    yield "import torch"
    if setting.flush_denormals:
        yield "torch.set_flush_denormal(True)"
    if setting.threads is not None:
        yield f"torch.set_num_threads({setting.threads})"
    if setting.precision == "tf32":
        yield 'torch.set_float32_matmul_precision("high")'
        yield "torch.backends.cudnn.allow_tf32 = True"
    if setting.cudnn_benchmark:
        yield "torch.backends.cudnn.benchmark = True"
    if setting.channels_last:
        yield "model = model.to(memory_format=torch.channels_last)"
        yield "if inputs.dim() == 4:"
        yield "    inputs = inputs.contiguous(memory_format=torch.channels_last)"
    if execution == "compile":
        extra = f', mode="{setting.compile_mode}"' if setting.compile_mode else ""
        yield f"model.compile(dynamic=False{extra})"
    body = list(_torch_body(setting, kind, mode))
    yield from _captured(body, mode) if setting.cuda_graph else body


def _captured(body: list[str], mode: str) -> Iterator[str]:
    """The step as one CUDA graph, as `gpugap.frameworks.torch.graph` captures it."""
    result = "loss" if mode == "train" else "outputs"
    if mode == "train":
        yield "for group in optimizer.param_groups:"
        yield '    group["capturable"] = True'
    yield "def step_once():"
    yield from (f"    {line}" for line in (*body, f"return {result}"))
    yield "side = torch.cuda.Stream()"
    yield "side.wait_stream(torch.cuda.current_stream())"
    yield "with torch.cuda.stream(side):"
    yield "    for _ in range(3):"
    yield "        step_once()"
    yield "torch.cuda.current_stream().wait_stream(side)"
    yield "graph = torch.cuda.CUDAGraph()"
    yield "with torch.cuda.graph(graph):"
    yield f"    {result} = step_once()"
    yield "graph.replay()  # one step; copy the next batch into inputs and targets before it"


def _torch_body(setting: Setting, kind: str, mode: str) -> Iterator[str]:
    dtype = _DTYPES.get(setting.precision)
    cast = f'torch.autocast("{kind}", dtype=torch.{dtype})' if dtype else None
    if mode == "inference":
        grad = "torch.inference_mode()" if setting.inference_mode else "torch.no_grad()"
        yield f"with {', '.join(filter(None, (grad, cast)))}:"
        yield "    outputs = model(inputs)"
        return
    scaled = setting.precision == "fp16"
    if scaled:
        yield f'scaler = torch.amp.GradScaler("{kind}")'
    yield "optimizer.zero_grad(set_to_none=True)"
    indent = "    " if cast else ""
    if cast:
        yield f"with {cast}:"
    yield f"{indent}loss = loss_of(model(inputs), targets)"
    yield from (
        ("scaler.scale(loss).backward()", "scaler.step(optimizer)", "scaler.update()")
        if scaled
        else ("loss.backward()", "optimizer.step()")
    )


def _tensorflow(setting: Setting, execution: str, kind: str, mode: str) -> Iterator[str]:  # noqa: ARG001 - as the others
    yield "import keras"
    yield "import tensorflow as tf"
    if setting.threads is not None:
        yield f"tf.config.threading.set_intra_op_parallelism_threads({setting.threads})"
        yield f"tf.config.threading.set_inter_op_parallelism_threads({setting.threads})"
    if setting.precision == "tf32":
        yield "tf.config.experimental.enable_tensor_float_32_execution(True)"
    if setting.precision in _DTYPES:
        yield f'keras.config.set_dtype_policy("mixed_{_DTYPES[setting.precision]}")  # before the model is built'
    compiled = ", jit_compile=True" if execution == "xla" else ""
    if execution in ("function", "xla"):
        yield f"step = tf.function(step, reduce_retracing=False{compiled})"


def _jax(setting: Setting, execution: str, kind: str, mode: str) -> Iterator[str]:  # noqa: ARG001 - as the others
    yield "import jax"
    if setting.precision == "tf32":
        yield 'jax.config.update("jax_default_matmul_precision", "tensorfloat32")'
    if setting.precision in _DTYPES:
        yield "import jax.numpy as jnp"
        yield f"compute_type = jnp.{_DTYPES[setting.precision]}  # layers: nnx.Linear(..., dtype=compute_type)"
    if execution == "jit":
        yield "step = jax.jit(step)"
