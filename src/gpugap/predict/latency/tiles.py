"""Time of matrix products and convolutions: tiles of the result, waves of tiles, split contractions.

The form of NVIDIA's "Matrix Multiplication Background User's Guide" (DU-09799, tile and wave quantization): a library
cuts the result into tiles, each processor works on one at a time, and picks the tile that ends first.
"""

from __future__ import annotations

import numpy as np

from gpugap.predict.latency.chip import FP32, FP64, Chip
from gpugap.predict.latency.constants import Constants, Engine
from gpugap.predict.latency.kernels import FORMS, WINOGRAD_WINDOW, Bools, Floats, Form, Kernels

TILES = ((256, 128), (128, 128), (128, 64), (64, 64), (64, 32), (32, 32), (128, 32), (256, 64))
"""Tiles of the result, either way round, that cuBLAS and cuDNN choose among."""
SPLITS = (1, 2, 4, 8, 16, 32)
"""Parts of the contraction that run next to each other and are added up afterwards."""
FED = 128
"""Operations a clock of a processor, to which the ``narrow`` of matrix units is stated."""
_LONG = 512
"""Contractions shorter than this are not split."""
_MULTIPLYING: tuple[Form, ...] = ("product", "dense", "pointwise", "grouped", "attention")


def sustained_share(chip: Chip, engine: Engine, utilization: Floats) -> Floats:
    """Share of the peak, limited by the units or by the watts."""
    powered = engine.power * chip.power_share**engine.power_exponent
    return np.minimum(utilization, min(1.0, powered))


def compute_seconds(kernels: Kernels, chip: Chip, constants: Constants, *, channels_last: bool = False) -> Floats:
    """Time of the arithmetic of each kernel, 0 for those that only move bytes.

    Args:
        kernels: of a trace.
        chip: the GPU.
        constants: fitted.
        channels_last: images lie channels-last.
    """
    found = np.minimum(plain_seconds(kernels, chip, constants), direct_seconds(kernels, chip, constants))
    return found * form_factors(kernels, chip, constants, channels_last=channels_last)


def direct_seconds(kernels: Kernels, chip: Chip, constants: Constants) -> Floats:
    """Time of a convolution in groups without tiles, which pays where groups are narrower than a tile; else endless."""
    double, single = chip.rates_flop_per_s[FP64], chip.rates_flop_per_s[FP32]
    direct = kernels.flops / np.where(kernels.rate == FP64, double, single) * constants.form_factor.get("direct", 1.0)
    return np.where(kernels.is_form("grouped"), direct, np.inf)


def plain_seconds(kernels: Kernels, chip: Chip, constants: Constants) -> Floats:
    """Time of the arithmetic as that of plain products, whatever the form; channel by channel at the peak."""
    peak, matrix = kernels.rates(chip)
    found = np.zeros(len(peak), np.float64)
    multiplying = kernels.is_form(*_MULTIPLYING)
    for engine, rows in ((constants.vector, multiplying & ~matrix), (constants.matrix, multiplying & matrix)):
        if rows.any():
            found[rows] = _product_seconds(kernels, rows, (chip, constants, engine), peak[rows])
    direct = kernels.is_form("depthwise")
    found[direct] = kernels.flops[direct] / peak[direct]
    return found


def _product_seconds(kernels: Kernels, rows: Bools, model: tuple[Chip, Constants, Engine], peak: Floats) -> Floats:
    chip, constants, engine = model
    batch, m, n, k = (column[rows] for column in (kernels.batch, kernels.m, kernels.n, kernels.k))
    attention = kernels.is_form("attention")[rows]
    k = np.where(attention, kernels.flops[rows] / (2 * batch * m * n), k)  # several products, one after the other
    winograd = (kernels.window[rows] == WINOGRAD_WINDOW) & kernels.same[rows] & kernels.is_form("dense")[rows]
    spared = np.where(winograd & (peak == chip.rates_flop_per_s[0]), constants.winograd, 1.0)
    rate = peak / chip.processors
    narrow = np.full(len(m), engine.narrow)
    if engine is constants.matrix:
        narrow *= rate / chip.clock_hz / FED
    best = np.full(len(m), np.inf)
    most = engine.utilization * (constants.shared_issue if chip.shared_issue and engine is constants.vector else 1.0)
    single = (batch == 1) | (k >= _LONG * 8)
    item = np.where(kernels.rate[rows] == 0, 4.0, 2.0)
    for tile in TILES:
        for rows_of_tile, columns in {tile, tile[::-1]}:
            area = rows_of_tile * columns
            reached = most * area / (area + narrow * (rows_of_tile + columns))
            share = sustained_share(chip, engine, reached)
            count = batch * np.ceil(m / rows_of_tile) * np.ceil(n / columns)
            for split in SPLITS:
                waves = count * split / chip.processors
                cost = engine.quantized * np.ceil(waves) + (1 - engine.quantized) * np.maximum(waves, 1.0)
                steps = np.ceil(k / split) + engine.prologue
                seconds = (cost + engine.alone) * 2 * area * steps / (rate * share)
                if split > 1:
                    added = 2 * split * batch * m * n * item / chip.bandwidth_byte_per_s
                    seconds = np.where(single & (k >= _LONG * split / 2), seconds + added, np.inf)
                best = np.minimum(best, seconds)
    return best / spared


def form_factors(kernels: Kernels, chip: Chip, constants: Constants, *, channels_last: bool = False) -> Floats:
    """Time over that of a plain product: by form, on matrix units, backward, channels-last."""
    _, matrix = kernels.rates(chip)

    def by_form(mark: str) -> Floats:
        return np.array([constants.form_factor.get(f"{mark}{form}", 1.0) for form in FORMS])[kernels.form]

    found = np.where(matrix, by_form("matrix "), by_form(""))
    found = found * np.where(kernels.backward, by_form("backward "), 1.0)
    if channels_last:
        found = found * by_form("channels-last ")
        found = found * np.where(kernels.backward, by_form("channels-last backward "), 1.0)
        bundled = kernels.backward & kernels.bundled
        found = found * np.where(bundled, constants.form_factor.get("channels-last backward bundled", 1.0), 1.0)
    return found * _lonely_channels(kernels, chip, constants)


def _lonely_channels(kernels: Kernels, chip: Chip, constants: Constants) -> Floats:
    """Time over that of a full GPU where a convolution channel by channel has few results, as its weights' gradient.

    Each result is the work of one group of threads: fewer than fill the processors take as long as those that do.
    """
    lonely = constants.form_factor.get("lonely depthwise", 0.0) * chip.processors
    results = np.maximum(kernels.batch * kernels.m * kernels.n, 1.0)
    return np.where(kernels.is_form("depthwise"), 1 + lonely / results, 1.0)
