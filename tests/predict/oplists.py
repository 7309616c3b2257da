"""Operator lists made by hand, for tests of what is predicted from them."""

from __future__ import annotations

from dataclasses import replace

from gpugap.core.oplist import START, Op, OpList, Role, Storage

MIB = 1024**2


def op(kind: str, phase: str, outputs: tuple[int, ...] = (), **fields: object) -> Op:
    known = {
        "name": f"aten.{kind}",
        "module": "fc",
        "source": "train.py:7",
        "dtype": "float32",
        "dimensions": (),
        "flops": 0,
        "read_bytes": 0,
        "written_bytes": 0,
    }
    return Op(kind=kind, phase=phase, outputs=outputs, **(known | fields))


def linear_step(batch: int, features: int = 1024 * 1024) -> OpList:
    """One weight of 4 MiB, an activation of 1 MiB a sample, Adam's two states; the peak is in the backward pass."""
    weight, activation = 4 * features, batch * MIB
    storages = (
        Storage(weight, "parameter", START, None, "fc.weight"),
        Storage(weight, "gradient", START, 0, "fc.weight"),
        Storage(weight, "optimizer", START, None, "fc.weight"),
        Storage(weight, "optimizer", START, None, "fc.weight"),
        Storage(activation, "activation", 0, 2),
        Storage(activation, "temporary", 1, 2),
        Storage(weight, "gradient", 1, None, "fc.weight"),
    )
    ops = (op("gemm", "forward", (4,)), op("gemm", "backward", (5, 6)), op("optimizer", "optimizer"))
    return OpList("linear", "train", batch, "fp32", "Adam (foreach)", features, ops, storages)


def pair_step(batch: int, features: int = 128) -> OpList:
    """A weight of 4 MB and a loss over all pairs by broadcasting: ``x[:, None] - x[None]``, then its square's sum."""
    pairs = 4 * batch * batch
    storages = (
        Storage(4 * 10**6, "parameter", START, None, "fc.weight"),
        Storage(4 * batch * features, "input", START, None),
        Storage(pairs * features, "activation", 0, 2),
        Storage(pairs, "temporary", 1, 2),
    )
    subtract = op("elementwise", "forward", (2,), name="aten.sub", dimensions=(("elements", batch**2 * features),))
    total = op("reduction", "forward", (3,), name="aten.sum", dimensions=(("elements", batch**2),))
    return OpList("pairs", "train", batch, "fp32", "", 10**6, (subtract, total), storages)


class _Tape:
    """Operators and storages as they come; ends of lifetimes are told when they are known."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.storages: list[Storage] = []

    def hold(self, memory_bytes: int, role: Role, owner: str = "") -> int:
        self.storages.append(Storage(memory_bytes, role, START, None, owner))
        return len(self.storages) - 1

    def run(self, kind: str, phase: str, inputs: list[int], outputs: list[tuple[int, Role, str]]) -> list[int]:
        place, first = len(self.ops), len(self.storages)
        self.storages += [Storage(size, role, place, None, owner) for size, role, owner in outputs]
        made = list(range(first, len(self.storages)))
        read, written = (sum(self.storages[index].memory_bytes for index in some) for some in (inputs, made))
        self.ops.append(op(kind, phase, tuple(made), read_bytes=read, written_bytes=written))
        return made

    def drop(self, *indices: int) -> None:
        for index in indices:
            self.storages[index] = replace(self.storages[index], died=len(self.ops))


_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


def conv_step(batch: int, size: int = 224, dtype: str = "float32") -> OpList:
    """VGG-16's convolutions with ReLU and pooling (0), and Adam over all weights at once."""
    tape, shapes, channels = _Tape(), [], 3
    for place, wide in enumerate(_VGG16):
        if wide:
            shapes.append((f"features.{place}", 36 * channels * wide))
            channels = wide
    weights = [tape.hold(memory, "parameter", owner) for owner, memory in shapes]
    tape.drop(*(tape.hold(memory, "gradient", owner) for owner, memory in shapes))
    for owner, memory in 2 * shapes:
        tape.hold(memory, "optimizer", owner)
    value = tape.hold(4 * batch * 3 * size**2, "input")
    saved: list[tuple[str, int, list[int]]] = []  # kind, input, and what is let go after its backward pass
    todo = iter(weights)
    for wide in _VGG16:
        if wide:
            (made,) = tape.run("conv", "forward", [value, next(todo)], [(4 * batch * wide * size**2, "activation", "")])
            (after,) = tape.run("elementwise", "forward", [made], [(4 * batch * wide * size**2, "activation", "")])
            tape.drop(made)
            saved += [("conv", value, []), ("elementwise", after, [after])]
            value = after
        else:
            size, quarter = size // 2, tape.storages[value].memory_bytes // 4
            made, chosen = tape.run(
                "pool", "forward", [value], [(quarter, "activation", ""), (2 * quarter, "activation", "")]
            )
            saved.append(("pool", value, [made, chosen]))
            value = made
    (gradient,) = tape.run("reduction", "backward", [value], [(tape.storages[value].memory_bytes, "temporary", "")])
    for kind, source, done in reversed(saved):
        wanted: list[tuple[int, Role, str]] = [(tape.storages[source].memory_bytes, "temporary", "")]
        if kind == "conv":
            weight = tape.storages[weights.pop()]
            wanted.append((weight.memory_bytes, "gradient", weight.owner))
        made, *_ = tape.run(kind, "backward", [gradient, source], wanted)
        tape.drop(gradient, *done)
        gradient = made
    tape.drop(gradient)
    square = tape.run("optimizer", "optimizer", [], [(memory, "temporary", "") for _, memory in shapes])
    tape.run("optimizer", "optimizer", square, [])
    tape.drop(*square)
    ops = tuple(replace(one, dtype=dtype) for one in tape.ops)
    return OpList("vgg16", "train", batch, "fp32", "Adam (foreach)", 0, ops, tuple(tape.storages))
