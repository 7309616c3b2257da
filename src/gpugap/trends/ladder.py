"""The least memory a training step of each network of the ladder takes.

Counted, not traced: one sample a step, Adam, nothing sharded, offloaded or recomputed but attention weights. State is
16 bytes a parameter, in fp32 (4 weight, 4 gradient, 8 moments) as in mixed precision (2 + 2 + 4 + 8; Rajbhandari et al.
2020, ZeRO, section 3.1). What is kept for the backward pass: of convolutional networks 4 bytes a number; of
transformers 34 bytes a token, width and layer in 16 bits (Korthikanti et al. 2022, arXiv:2205.05198, equation 1 without
the attention term, which kernels in the manner of FlashAttention do not keep). What is left out - logits, workspace,
allocator, context - makes the real need larger, so that "does not fit" holds and "fits" is the best case.
"""

from __future__ import annotations

from gpugap.catalog.demand import Rung, ladder
from gpugap.core.estimate import Estimate
from gpugap.trends.dates import last_day
from gpugap.trends.series import Point, Series, make_series

STATE_BYTES = 16
TOKEN_BYTES = 34
NUMBER_BYTES = 4
METHOD = "16 B a parameter and what the backward pass of one sample keeps, counted"


def training_bytes(rung: Rung) -> Estimate:
    """The least memory of a training step with one sample: a predicted lower end, in bytes."""
    if rung.kind == "transformer":
        kept = TOKEN_BYTES * (rung.layers or 0) * (rung.width or 0) * (rung.context or 0)
    else:
        kept = NUMBER_BYTES * (rung.saved_per_sample or 0)
    need = STATE_BYTES * rung.parameters + kept
    return Estimate(float(need), None, None, None, "B", "predicted", METHOD, None)


def ladder_series() -> Series:
    """The need of each network of the ladder at its release."""
    points = [Point(last_day(rung.released, rung.key), training_bytes(rung), rung.name) for rung in ladder()]
    title = "least memory of a training step, networks of the ladder at their release"
    return make_series("ladder-memory", title, "B", points, "papers named in catalog/ladder.csv; memory counted")
