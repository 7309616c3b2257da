"""Operator lists made by hand, for tests of what is predicted from them."""

from __future__ import annotations

from gpugap.core.oplist import START, Op, OpList, Storage

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
