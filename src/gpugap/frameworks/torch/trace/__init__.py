"""Tracing a step without a GPU and without its memory: fake CPU tensors, CUDA's rules, every operator and storage."""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gpugap.core.errors import BadStepFile, GpugapError, Unsupported
from gpugap.core.oplist import OpList, Traced, traced
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.frameworks.torch.step import body, check_precision
from gpugap.frameworks.torch.trace.cuda import Attention, autocast_as_on_cuda, kernels_as_on_cuda
from gpugap.frameworks.torch.trace.guessed import Guessed
from gpugap.frameworks.torch.trace.optimizers import as_on_gpu, check_optimizer, described, on_host
from gpugap.frameworks.torch.trace.recorder import Places, Recorder
from gpugap.frameworks.torch.trace.sources import Source, check_alone, with_batch
from gpugap.frameworks.torch.trace.stand_ins import stand_ins
from gpugap.frameworks.torch.trace.variants import changed, micro_steps
from gpugap.frameworks.torch.trace.wish import Wish

_MEASURE = "gpugap measure runs the step itself"
_MISTAKES = (TypeError, NameError, AttributeError, ImportError)
"""What Python raises for a slip of the pen, with or without real numbers in the tensors."""
_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parents[3]), sys.base_prefix)
"""Where PyTorch, gpugap and Python lie."""
_NO_CUDA = ("not compiled with CUDA", "No CUDA GPUs", "NVIDIA driver", "not linked with support for cuda")


def trace(source: Source, wish: Wish) -> Traced:
    """A step as a GPU would run it, at the batch asked for and at twice that.

    Args:
        source: makes the step.
        wish: batch, mode, precision, GPU and changes.

    Raises:
        Unsupported: the step cannot be traced; says the operator and the user's line.
        UnknownName: no such optimizer.
        BadStepFile: the step ends the program, or its own code raises what Python raises for a slip of the pen.
    """
    part = -(-wish.batch // wish.accumulation)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    attention = Attention(wish.capability, wish.attention)
    with _told(source.name), _exits_raise(), _as_on_gpu(fake, attention):
        step = _checked(_built(source, wish, part, fake), wish, source.name)
        first = _Run(changed(step, wish), wish, source.name, attention).oplist(wish.batch)
        if not wish.both:
            return Traced(first, why="it was traced at this batch alone")
        try:
            again = source.again
            twin = changed(_built(source, wish, 2 * part, fake), wish) if again else with_batch(step, part, 2 * part)
            second = _Run(twin, wish, source.name, attention).oplist(2 * wish.batch)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the first trace stands; the second tells that it failed
            return Traced(first, why=f"at batch {2 * wish.batch} it raises {_line(error)}")
    return traced(first, second)


@contextmanager
def _as_on_gpu(fake: FakeTensorMode, attention: Attention) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # torch's own, copying modules
        warnings.filterwarnings("ignore", "Using `torch.compile")  # hooks tell modules apart, compiled or not
        log = logging.getLogger(FakeTensorMode.__module__)  # prints a traceback for what is told in one line below
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        for context in (stand_ins(), autocast_as_on_cuda(), kernels_as_on_cuda(attention), fake):
            stack.enter_context(context)
        yield


@contextmanager
def _exits_raise() -> Iterator[None]:
    """``os._exit`` in this process raises, where it would end it with the exit code of a step that fits."""
    leave, own = os._exit, os.getpid()

    def raises(status: int) -> NoReturn:
        if os.getpid() != own:
            leave(status)
        raise SystemExit(status)

    os._exit = raises
    try:
        yield
    finally:
        os._exit = leave


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Every failure within becomes one line that names the user's code."""
    try:
        yield
    except GpugapError:
        raise
    except SystemExit as error:
        message = f"{name} ends the program{_place(error)}: {_line(error)}"
        raise BadStepFile(message, "return a step; neither exit nor parse a command line there") from error
    except Exception as error:
        if "SparseTensorImpl" in str(error):
            message = f"{name} uses sparse tensors{_place(error)}, whose memory is not modeled"
            raise Unsupported(message, "sparse=False in embeddings, or gpugap measure") from error
        if any(mark in str(error) for mark in _NO_CUDA):
            message = f"{name} asks for a GPU{_place(error)}, which a trace does not need"
            raise Unsupported(message, "use the device that make_step is given") from error
        check_alone(error)
        if isinstance(error, _MISTAKES) and _in_own_code(error):
            message = f"{name} raises {_line(error)}{_place(error)}"
            raise BadStepFile(message, "mend that line; it most likely fails outside of gpugap too") from error
        raise Unsupported(f"{name} cannot be traced: {_line(error)}{_place(error)}", _MEASURE) from error


def _in_own_code(error: BaseException) -> bool:
    """Whether the user's own file raised it; a library may stumble over what is faked."""
    libraries = (*_LIBRARIES, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "<")
    return not traceback.extract_tb(error.__traceback__)[-1].filename.startswith(libraries)


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _place(error: BaseException) -> str:
    """The innermost line outside of torch and gpugap, as `` (train.py:12)``."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]
    return f" ({Path(users[-1].filename).name}:{users[-1].lineno})" if users else ""


def _built(source: Source, wish: Wish, batch: int, fake: FakeTensorMode) -> Step:
    """The step at a batch size; for ``fp64``, one of ours is built with double as PyTorch's default."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if wish.precision == "fp64" and source.ours else usual)
    try:
        return source.build(batch, fake)
    finally:
        torch.set_default_dtype(usual)


def _checked(step: Step, wish: Wish, name: str) -> Step:
    if step.mode != wish.mode:
        raise Unsupported(f"{name} is a step for {step.mode}, asked for {wish.mode}", f"use --mode {step.mode}")
    check_precision(step, wish.precision, name)
    return step


class _Run:
    """One batch size: the step is brought to where its second run begins, and that run is recorded.

    Args:
        step: of fake tensors.
        wish: precision and mode.
        name: of the step.
        attention: counts its calls.
    """

    def __init__(self, step: Step, wish: Wish, name: str, attention: Attention) -> None:
        self._step, self._wish, self._name, self._attention = step, wish, name, attention
        self._models = [model for model in step.model_list if isinstance(model, nn.Module)]
        self._optimizers = [one for one in step.optimizer_list if isinstance(one, torch.optim.Optimizer)]
        several = len(self._models) > 1
        self._paths = [f"{place}." if several else "" for place in range(len(self._models))]
        self._names = dict(self._parameter_names())

    def oplist(self, batch: int) -> OpList:
        """The record of the second run."""
        setting = Setting(self._wish.precision, channels_last=self._wish.channels_last)
        recorder = Recorder(Places(dict(self._module_names())))
        once = body(self._step, setting, "cpu", micro_steps(self._wish), lambda made: recorder.results(_tensors(made)))
        guessed = self._first_run(once)
        self._hold(recorder)
        guessed.find(recorder)
        with self._watched(recorder), guessed.watched(), recorder:
            result = once()
        self._mark_gradients(recorder)
        dropped = guessed.drop_unreached(recorder)
        recorder.finish()
        del result, dropped
        return self._written(recorder, batch)

    def _first_run(self, once: Any) -> Guessed:
        """What the first step leaves behind: gradients and optimizer state; a body of its own is run for it."""
        guessed, recorder = Guessed(), Recorder(Places({}))
        with self._watched(recorder), recorder:
            if self._step.run is not None:
                once()
            elif self._wish.mode == "train":
                guessed.give(self._parameters(), self._optimizers)
        return guessed

    # -- names ---------------------------------------------------------------------------------------------------------

    def _parameter_names(self) -> Iterator[tuple[int, str]]:
        for prefix, model in zip(self._paths, self._models, strict=True):
            for name, parameter in model.named_parameters():
                yield id(parameter), prefix + name

    def _module_names(self) -> Iterator[tuple[int, str]]:
        for prefix, model in zip(self._paths, self._models, strict=True):
            for name, module in model.named_modules():
                yield id(module), (prefix + name).rstrip(".")

    # -- what is there and what happens --------------------------------------------------------------------------------

    def _hold(self, recorder: Recorder) -> None:
        for prefix, model in zip(self._paths, self._models, strict=True):
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                recorder.hold(tensor, "parameter", prefix + name)
        for parameter in self._parameters():
            recorder.hold(parameter, "parameter", self._names.get(id(parameter), ""))
        self._mark_gradients(recorder)
        for optimizer in self._optimizers:
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    if isinstance(value, torch.Tensor):
                        recorder.hold(value, "optimizer", self._names.get(id(parameter), ""))
                        if on_host(optimizer, key, value):
                            recorder.leave_out(recorder.position(value))
        for tensor in _tensors(self._step.batch):
            recorder.hold(tensor, "input")

    def _know(self, optimizer: torch.optim.Optimizer, recorder: Recorder) -> None:
        """An optimizer that only the step's own body knows of is met when it begins to work."""
        if optimizer in self._optimizers:
            return
        check_optimizer(optimizer)
        self._optimizers.append(optimizer)
        as_on_gpu(optimizer)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                self._names.setdefault(id(parameter), f"parameter {len(self._names)}")
                recorder.mark(parameter, "parameter", self._names[id(parameter)])

    def _parameters(self) -> list[torch.Tensor]:
        """Of models and of optimizers, each once."""
        updated = (p for one in self._optimizers for group in one.param_groups for p in group["params"])
        models = (p for model in self._models for p in model.parameters())
        return list({id(parameter): parameter for parameter in (*models, *updated)}.values())

    def _mark_gradients(self, recorder: Recorder) -> None:
        for parameter in self._parameters():
            if parameter.grad is not None:
                recorder.mark(parameter.grad, "gradient", self._names.get(id(parameter), ""))

    @contextmanager
    def _watched(self, recorder: Recorder) -> Iterator[None]:
        """Tells the recorder which module is called and when an optimizer works."""
        stack, names = recorder.places.stack, recorder.places.names

        def enter(module: nn.Module, _inputs: Any) -> None:
            stack.append(names.get(id(module), "") or stack[-1])

        def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
            stack.pop()

        def begin(optimizer: torch.optim.Optimizer, _args: Any, _named: Any) -> None:
            self._know(optimizer, recorder)
            self._mark_gradients(recorder)
            recorder.updating = True

        def end(_optimizer: Any, _args: Any, _named: Any) -> None:
            recorder.updating = False

        scaler: Any = torch.amp.GradScaler
        own = {name: getattr(scaler, name) for name in ("unscale_", "step", "update")}

        def updating(work: Any) -> Any:
            def run(*arguments: Any, **named: Any) -> Any:
                recorder.updating = True
                try:
                    return work(*arguments, **named)
                finally:
                    recorder.updating = False

            return run

        hooks = [
            nn.modules.module.register_module_forward_pre_hook(enter),
            nn.modules.module.register_module_forward_hook(leave),
            register_optimizer_step_pre_hook(begin),
            register_optimizer_step_post_hook(end),
        ]
        for name, work in own.items():
            setattr(scaler, name, updating(work))
        try:
            yield
        finally:
            for name, work in own.items():
                setattr(scaler, name, work)
            for hook in hooks:
                hook.remove()

    def _assumed(self) -> Iterator[tuple[str, str]]:
        modules = [module for model in self._models for module in model.modules()]
        if self._wish.channels_last:
            yield "memory format", "channels last"
        if any(isinstance(module, nn.RNNBase) for module in modules):
            yield "recurrent layers", "single operations, where cuDNN has kernels that keep other tensors"
        if any(hasattr(module, "_orig_mod") or module._compiled_call_impl is not None for module in modules):
            yield "torch.compile", "not compiled: every operation by itself, with the memory it takes so"
        if self._step.run is not None and self._wish.precision in ("bf16", "fp16"):
            yield "autocast", "over all that the step's own body does, its backward pass and optimizer too"

    def _written(self, recorder: Recorder, batch: int) -> OpList:
        trained = self._wish.mode == "train"
        counts = recorder.uncounted
        return OpList(
            name=self._name,
            mode=self._wish.mode,
            batch=batch,
            precision=self._wish.precision,
            optimizer=", ".join(dict.fromkeys(map(described, self._optimizers))) if trained else "",
            parameters=sum(parameter.numel() for parameter in self._parameters()),
            ops=tuple(recorder.ops),
            storages=tuple(recorder.storages()),
            attention=dict(self._attention.calls),
            assumed=dict(self._assumed()),
            uncounted={name: f"{count} ×, first at {recorder.first_met[name]}" for name, count in counts.items()},
        )


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _tensors(item)
