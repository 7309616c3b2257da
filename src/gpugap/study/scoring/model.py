"""The latency model of this package as what is scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpugap.catalog import Gpu
from gpugap.core.oplist import Op, OpList
from gpugap.predict.artefact import artefact
from gpugap.predict.base import either
from gpugap.predict.chip import chip_of
from gpugap.predict.kernels import kernels_of
from gpugap.predict.latency import predict, times_of
from gpugap.predict.prediction import Method
from gpugap.study.scoring.predicting import Answer


class Model:
    """Predicts with the shipped calibration; implements `gpugap.study.scoring.predicting.Predictor`."""

    def alone(self, calls: Sequence[tuple[Op, ...]], gpu: Gpu, method: Method) -> list[Answer]:
        """Calls between two events, by the thousand: the larger of kernels and host, each call for itself."""
        chip, known = chip_of(gpu), artefact()
        kernels = kernels_of([op for call in calls for op in call])
        times = times_of(kernels, chip, known, method=method)
        call_of = np.repeat(np.arange(len(calls)), [len(call) for call in calls])
        busy = np.bincount(call_of, times.op_s[kernels.place], len(calls))
        seconds = np.asarray(busy, dtype=np.float64)
        if method == "model":
            host = np.bincount(call_of, times.host_s[kernels.place], len(calls))
            seconds = either(seconds, host.astype(np.float64), known.constants_for(chip.key).host_sharpness)
        domain = known.domain_of(gpu)
        return [Answer(value, None, None, domain, chip.power_limited) for value in seconds.tolist()]

    def step(self, ops: OpList, gpu: Gpu, method: Method, *, channels_last: bool) -> Answer:
        """A whole step on the typical host."""
        found = predict(ops, gpu, method=method, channels_last=channels_last)
        time = found.step_time
        assert time.value is not None
        return Answer(time.value, time.low, time.high, found.domain, chip_of(gpu).power_limited)
