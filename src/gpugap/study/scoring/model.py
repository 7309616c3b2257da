"""The latency model of this package as what is scored."""

from __future__ import annotations

from collections.abc import Sequence

from gpugap.catalog import Gpu
from gpugap.core.oplist import Op, OpList
from gpugap.predict.latency.alone import alone
from gpugap.predict.latency.chip import chip_of
from gpugap.predict.latency.model import predict
from gpugap.predict.prediction import Method
from gpugap.study.scoring.predicting import Answer


class Model:
    """Predicts with the shipped calibration; implements `gpugap.study.scoring.predicting.Predictor`."""

    def alone(self, calls: Sequence[tuple[Op, ...]], gpu: Gpu, method: Method, *, nodes: bool = False) -> list[Answer]:
        """Calls between two events, by the thousand."""
        found, limited = alone(calls, gpu, method=method, nodes=nodes), chip_of(gpu).power_limited
        nothing = [None] * len(calls)
        low, high = (nothing if ends is None else ends.tolist() for ends in (found.low, found.high))
        return [
            Answer(value, least, most, domain, limited)
            for value, least, most, domain in zip(found.seconds.tolist(), low, high, found.domains, strict=True)
        ]

    def step(self, ops: OpList, gpu: Gpu, method: Method, *, channels_last: bool) -> Answer:
        """A whole step on the typical host."""
        found = predict(ops, gpu, method=method, channels_last=channels_last)
        time = found.step_time
        assert time.value is not None
        return Answer(time.value, time.low, time.high, found.domain, chip_of(gpu).power_limited)
