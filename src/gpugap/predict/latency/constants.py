"""`Constants`: the numbers of the analytical model, fitted to measured operators and whole models, never typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Engine:
    """How well one kind of arithmetic unit multiplies matrices tile by tile.

    Attributes:
        utilization: share of the peak that an endless product of the largest tiles reaches.
        narrow: a tile's utilization falls as ``area / (area + n * (rows + columns))``, as small tiles load more for
            what they compute; n is this number, and of matrix units times a processor's operations a clock over
            `gpugap.predict.latency.tiles.FED`: the faster they compute, the harder they are to feed.
        prologue: steps of the contraction that filling and emptying the pipeline costs.
        quantized: 1 where the last, partly filled wave of tiles costs as much as a whole one; 0 where only its share.
        alone: extra time of the first wave, in waves: one tile does not hide its own latencies.
        power: sustained share of the peak on a card whose power share is 1, before the units themselves limit.
        power_exponent: of the power share.
        sharpness: how sharply the larger of arithmetic and memory time takes over: 1 adds both, many take the larger.
    """

    utilization: float
    narrow: float
    prologue: float
    quantized: float
    alone: float
    power: float
    power_exponent: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Constants:
    """All numbers of the base.

    Attributes:
        vector: products in single precision.
        matrix: products on matrix units.
        shared_issue: utilization of the vector units where integer instructions take turns, over that where not.
        held_back_memory: bandwidth of memory with ECC in line, and of generations before Volta, over that of others.
        winograd: multiplications that a 3×3 window of stride 1 is spared, as a factor.
        form_factor: time over that of a plain product, by form; of matrix units under ``matrix FORM``, and more for
            ``backward FORM``, ``channels-last FORM`` and ``channels-last backward FORM``; ``direct`` of narrow groups
            over the vector units' peak; ``channels-last backward bundled`` of groups that share a tile; ``lonely
            depthwise``: results that a processor works on at once, of which fewer leave it without work.
        bandwidth: share of the peak bandwidth that a long stream reaches.
        kind_factor: bytes moved over bytes of the trace, by kind; and more for ``half KIND``, ``mixed KIND``
            (single precision within a step in half) and ``backward KIND``.
        l2_speed: bandwidth of the last cache over that of memory.
        l2_share: share of the cache that holds what the last kernel wrote.
        layout: bytes that a convolution on matrix units moves to change the layout of channels-first images, over its
            own.
        kernel_s: time of a kernel that does nothing.
        host_sharpness: how sharply the larger of kernels and host takes over.
        dispatch_s: host time of one operator on the calibration data's typical host.
        dispatch_factor: host time over that, by kind.
        whole: time of kernels within a step over that alone, in ``single`` and ``half`` precision.
    """

    vector: Engine
    matrix: Engine
    shared_issue: float
    held_back_memory: float
    winograd: float
    form_factor: Mapping[str, float]
    bandwidth: float
    kind_factor: Mapping[str, float]
    l2_speed: float
    l2_share: float
    layout: float
    kernel_s: float
    host_sharpness: float
    dispatch_s: float
    dispatch_factor: Mapping[str, float] = field(default_factory=dict)
    whole: Mapping[str, float] = field(default_factory=dict)


def constants_of(values: Mapping[str, Any]) -> Constants:
    """From the artefact's JSON."""
    given = {one.name: values[one.name] for one in fields(Constants)}
    return Constants(**{**given, "vector": Engine(**given["vector"]), "matrix": Engine(**given["matrix"])})
