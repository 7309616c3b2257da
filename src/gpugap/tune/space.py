"""What can be chosen: every setting worth trying for a framework and a device, and why others are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.execution import EXECUTIONS, is_fused
from gpugap.core.setting import Setting
from gpugap.sensors.libraries import ALLOCATOR_PACKAGES

ORDER = (
    "precision",
    "layout",
    "execution",
    "threads",
    "denormals",
    "gradients",
    "cudnn",
    "graph",
    "loader",
    "onednn",
    "allocator",
)
"""Dimensions in the order in which the ladder climbs them where their effects do not say; the allocator last."""

NUMERIC = ("precision", "layout", "execution", "onednn")
"""Dimensions whose choices change the arithmetic or its order."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be set differently from the baseline.

    Attributes:
        dimension: choices of one dimension exclude each other.
        name: for people.
        fields: of `gpugap.core.setting.Setting`, with their values.
        execution: mode of the framework; None leaves the baseline's.
        needs: name of the choice that must have shown itself useful before this one is tried.
    """

    dimension: str
    name: str
    fields: tuple[tuple[str, Any], ...] = ()
    execution: str | None = None
    needs: str | None = None

    @property
    def brings_allocator(self) -> bool:
        """Whether it loads another allocator: no property of the program, so its share is told apart."""
        return any(name == "allocator" for name, _ in self.fields)


FREED_KEPT = Choice(
    "allocator",
    "freed memory kept",
    (("variables", (("MALLOC_MMAP_MAX_", "0"), ("MALLOC_TRIM_THRESHOLD_", "-1"))),),
)
"""glibc's own allocator neither maps large blocks anew in every step nor gives memory back: see mallopt(3)."""


@dataclass(frozen=True, slots=True)
class Arm:
    """The baseline with some choices made; without any it is the baseline.

    Attributes:
        choices: at most one of each dimension.
        batch: samples a step, where they are not the baseline's.
    """

    choices: tuple[Choice, ...] = ()
    batch: int | None = None

    @property
    def label(self) -> str:
        """For people: ``channels-last + bf16 autocast``."""
        words = [choice.name for choice in self.choices]
        words += [f"batch {self.batch}"] if self.batch is not None else []
        return " + ".join(words) or "as it comes"

    def setting(self, base: Setting) -> Setting:
        """The baseline's setting with the choices made."""
        changes = {name: value for choice in self.choices for name, value in choice.fields}
        return replace(base, **changes)

    def execution(self, base: str) -> str:
        """The mode the framework runs in."""
        return next((choice.execution for choice in self.choices if choice.execution), base)

    def having(self, choice: Choice) -> Arm:
        """With one more choice, in place of another of its dimension."""
        return replace(self, choices=tuple(sorted((*self.without(choice.dimension).choices, choice), key=_place)))

    def without(self, dimension: str) -> Arm:
        """Without what it chooses in a dimension."""
        return replace(self, choices=tuple(one for one in self.choices if one.dimension != dimension))


BASE = Arm()
"""The baseline: the framework as it comes."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A choice that is not tried, or failed.

    Attributes:
        name: of the choice or combination.
        why: with a remedy where there is one.
    """

    name: str
    why: str

    def to_dict(self) -> dict[str, str]:
        """For the JSON output."""
        return {"name": self.name, "why": self.why}


@dataclass(frozen=True, slots=True)
class Ground:
    """What the choices depend on.

    Attributes:
        framework: that runs the step.
        device: ``cpu``, ``cuda``, ``mps``, with a number or without.
        mode: ``train`` or ``inference``.
        precision: of the baseline; choices of precision exist from ``fp32`` only.
        execution: of the baseline.
        cores: that this process may use, one of every physical core first; empty where the system binds none.
        usable_cores: how many of them the container leaves.
        physical_cores: among those that this process may use; None when unknown.
        fast_cores: those of them that are of the fast kind; None when all are alike.
        native_bf16: whether the CPU multiplies bf16 in hardware.
        allocators: names of those installed here.
        own_allocator: that the baseline runs with.
        libc: the C library with its version, whose allocator ``system`` is; None where it does not say.
        compiler: why Inductor cannot compile here; None where it can.
        takes_workers: whether the step's factory takes ``workers``.
        details: of the device, as the framework tells.
        found: what the baseline read back: its threads, its memory format.
    """

    framework: str
    device: str
    mode: str
    precision: str
    execution: str
    cores: tuple[int, ...]
    usable_cores: int
    physical_cores: int | None
    fast_cores: int | None
    native_bf16: bool
    allocators: tuple[str, ...]
    own_allocator: str
    libc: str | None
    compiler: str | None
    takes_workers: bool
    details: dict[str, Any]
    found: dict[str, Any]

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.device.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Space:
    """All choices, and those that are left out.

    Attributes:
        choices: to be tried.
        left_out: not tried, with reasons.
    """

    choices: tuple[Choice, ...]
    left_out: tuple[LeftOut, ...]


def space_of(ground: Ground) -> Space:
    """The choices that make sense on this ground."""
    found = [*_precision(ground), *_layout(ground), *_execution(ground)]
    found += [*_threads(ground), *_torch_only(ground), *_loader(ground), *_onednn(ground), *_allocator(ground)]
    choices = tuple(one for one in found if isinstance(one, Choice))
    return Space(choices, tuple(one for one in found if isinstance(one, LeftOut)))


def _precision(ground: Ground) -> Iterator[Choice | LeftOut]:
    if ground.precision != "fp32" or ground.framework == "null":
        return
    native = ["bf16"] if ground.native_bf16 else []
    if ground.kind == "cpu" and not native:
        yield LeftOut("bf16 autocast", "this CPU has no bf16 arithmetic: it would be emulated, slower than fp32")
    if ground.kind == "cuda":
        native = _of_gpu(ground)
        if "bf16" not in native:
            yield LeftOut("tf32 and bf16", "this GPU has neither (compute capability below 8)")
    if ground.kind == "mps":
        native = ["bf16", "fp16"]
    for name in native:
        word = name.upper() if name == "tf32" else f"{name} autocast"
        yield Choice("precision", word, (("precision", name),))


def _of_gpu(ground: Ground) -> list[str]:
    """Precisions that a GPU multiplies faster than single."""
    if ground.details.get("build") == "rocm":
        return ["bf16", "fp16"]
    major = int(str(ground.details.get("compute_capability", "0")).partition(".")[0])
    return ["tf32", "bf16", "fp16"] if major >= 8 else ["fp16"]


def _layout(ground: Ground) -> Iterator[Choice | LeftOut]:
    if ground.framework == "torch":
        if ground.found.get("memory_format") == "contiguous":
            yield Choice("layout", "channels-last", (("channels_last", True),))
        elif ground.found.get("memory_format") is None:
            yield LeftOut("channels-last", "no tensor of the step has channels to put last")
    elif ground.framework != "null":
        yield LeftOut("channels-last", f"{ground.framework} is channels-last as it comes")


def _execution(ground: Ground) -> Iterator[Choice | LeftOut]:
    faster = [mode for mode in EXECUTIONS[ground.framework] if is_fused(mode) and mode != ground.execution]
    for mode in faster:
        if ground.framework != "torch":
            yield Choice("execution", mode.upper() if mode == "xla" else mode, execution=mode)
        elif ground.compiler is not None and ground.kind == "cpu":
            yield LeftOut("torch.compile", ground.compiler)
        else:
            yield Choice("execution", "torch.compile", execution=mode)
            for extra in (
                ("max-autotune-no-cudagraphs",) if ground.kind == "cpu" else ("reduce-overhead", "max-autotune")
            ):
                if ground.kind != "mps":
                    name = f"torch.compile {extra}"
                    yield Choice("execution", name, (("compile_mode", extra),), mode, needs="torch.compile")


def _threads(ground: Ground) -> Iterator[Choice | LeftOut]:
    if ground.kind != "cpu":
        return
    own = ground.found.get("threads")
    usable = ground.usable_cores
    counts = dict.fromkeys(min(usable, count or 1) for count in (usable, ground.physical_cores, ground.fast_cores, 1))
    for count in counts:
        cores = ground.cores[:count] if len(ground.cores) >= count else ()
        fields: tuple[tuple[str, Any], ...] = () if ground.framework == "null" else (("threads", count),)
        if count != own and fields:
            yield Choice("threads", _counted(count), fields)
        if cores and (count > 1 or ground.framework == "null"):
            spoken = ",".join(map(str, cores))
            yield Choice("threads", f"{_counted(count)} bound to cores {spoken}", (*fields, ("cores", cores)))
    if not ground.cores:
        yield LeftOut("binding to cores", "this system binds no processes")


def _counted(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _torch_only(ground: Ground) -> Iterator[Choice]:
    if ground.framework != "torch":
        return
    if ground.kind == "cpu":
        yield Choice("denormals", "denormals flushed", (("flush_denormals", True),))
    if ground.kind == "cuda":
        yield Choice("cudnn", "cuDNN tries its algorithms", (("cudnn_benchmark", True),))
        if ground.details.get("build") != "rocm":
            yield Choice("graph", "CUDA graph of the step", (("cuda_graph", True),))
    if ground.mode == "inference":
        yield Choice("gradients", "no_grad in place of inference_mode", (("inference_mode", False),))


def _loader(ground: Ground) -> Iterator[Choice]:
    if ground.takes_workers:
        for count in sorted({0, 1, 2, ground.usable_cores}):
            yield Choice("loader", f"{count} loader worker{'s' if count != 1 else ''}", (("workers", count),))


def _onednn(ground: Ground) -> Iterator[Choice]:
    """TensorFlow's own layout on a CPU: with oneDNN it is blocked."""
    on = ground.details.get("onednn")
    if ground.framework == "tensorflow" and ground.kind == "cpu" and on is not None:
        yield Choice("onednn", "oneDNN off" if on else "oneDNN on", (("onednn", not on),))


def _allocator(ground: Ground) -> Iterator[Choice | LeftOut]:
    if ground.kind != "cpu":
        return
    if ground.own_allocator == "system" and (ground.libc or "").startswith("glibc"):
        yield FREED_KEPT
    for name, package in ALLOCATOR_PACKAGES.items():
        if name == ground.own_allocator:
            continue
        if name in ground.allocators:
            yield Choice("allocator", name, (("allocator", name),))
        else:
            yield LeftOut(name, f"not installed: apt install {package}")


def _place(choice: Choice) -> int:
    return ORDER.index(choice.dimension)
