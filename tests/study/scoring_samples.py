"""Small measured tables and a predictor made for tests: whatever moves a byte takes a nanosecond."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpugap.catalog import Gpu
from gpugap.core.errors import Unsupported
from gpugap.core.oplist import Op, OpList
from gpugap.predict.prediction import Method
from gpugap.study.scoring.predicting import Answer

LINEAR = {"gpu": "Tesla T4", "op_kind": "linear", "gemm_m": 64, "gemm_n": 32, "gemm_k": 16, "latency_s": 2e-5}
ADD = {"gpu": "Tesla V100-PCIE-32GB", "op_kind": "add", "rows": 100, "row_len": 10, "latency_s": 1e-5}
MODEL = {
    "gpu": "Tesla T4",
    "model": "gpt2_tiny",
    "architecture": "GPT2LMHeadModel",
    "n_layer": 2,
    "d_model": 64,
    "n_head": 4,
    "d_ffn": 256,
    "vocab": 100,
    "phase": "inference",
    "seq_len": 16,
    "batch_size": 3,
    "measured_total_s": 0.01,
}
IMAGE = {
    "device": "NVIDIA GeForce RTX 3090",
    "arch": "resnet18",
    "family": "resnet",
    "phase": "training",
    "precision": "amp",
    "memory_format": "nhwc",
    "compiled": False,
    "torch_version": "1.12",
    "batch_size": 64,
    "img_size_px": 224,
    "step_time_s": 0.1,
}
NODE = {
    "gpu": "Tesla T4",
    "model": "bert",
    "phase": "training",
    "node": "fc",
    "op_kind": "Linear",
    "forward_ops": "[['Linear', (64, 16, 32)]]",
    "backward_ops": "[['Linear', (64, 32, 16)], ['Linear', (16, 64, 32)]]",
    "accumulate_ops": "[['VECadd', [1, 512]]]",
    "output_shape": "(64, 32)",
    "forward_s": 1e-5,
    "backward_s": 2e-5,
    "accumulate_s": 3e-6,
}


def table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Rows as CSV; columns are those of all rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


class Double:
    """A nanosecond a byte, and an interval of half to twice; knows nothing of an H100."""

    def alone(self, calls: Sequence[tuple[Op, ...]], gpu: Gpu, method: Method, *, nodes: bool = False) -> list[Answer]:
        self._known(gpu)
        return [self._answer(sum(op.read_bytes + op.written_bytes for op in call), method) for call in calls]

    def step(self, ops: OpList, gpu: Gpu, method: Method, *, channels_last: bool) -> Answer:
        self._known(gpu)
        return self._answer(sum(op.read_bytes + op.written_bytes for op in ops.ops), method)

    @staticmethod
    def _answer(moved_bytes: int, method: Method) -> Answer:
        seconds = moved_bytes * 1e-9
        low, high = (seconds / 2, seconds * 2) if method == "model" else (None, None)
        return Answer(seconds, low, high, "seen", limited=False)

    @staticmethod
    def _known(gpu: Gpu) -> None:
        if gpu.key.startswith("h100"):
            raise Unsupported("nothing is known of it", "add it to the catalog")
