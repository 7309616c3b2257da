"""How often each rule is wrong, on made data with known truth. Run with ``make stats``.

For every mix of noise: how often identical sides are called different (nominal 5 %), how often the 95 % interval holds
the true ratio, and how often a true 5 % difference is found - for gpugap's rule after its real stopping rule, and for
the rules other tools use on the same samples. Seeded; about a minute.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import mannwhitneyu, ttest_ind

from gpugap.stats.compare import compare_paired
from gpugap.stats.simulation import MIXES, Mix, simulate
from gpugap.stats.stopping import Stopping

if TYPE_CHECKING:
    from gpugap.stats.simulation import Samples

STEPS = 10
WIDTH = 0.02
SEED = 20261123


def ours(side_a: Samples, side_b: Samples, ratio: float) -> tuple[bool, bool]:
    """Our rule on one comparison: called different, and whether the interval holds the true ratio."""
    means_a, means_b = side_a.mean(axis=1).tolist(), side_b.mean(axis=1).tolist()
    rule, count = Stopping(WIDTH), 5
    while count < len(means_a) and not rule.satisfied([means_a[:count], means_b[:count]]):
        count += 1
    found = compare_paired(dict(enumerate(means_a[:count])), dict(enumerate(means_b[:count])))
    low, high = found.speedup.low, found.speedup.high
    assert low is not None and high is not None
    return found.verdict in ("faster", "slower"), low <= ratio <= high


def pooled_t(side_a: Samples, side_b: Samples) -> bool:
    """Student's t on all steps pooled, as if they were independent."""
    return bool(ttest_ind(side_a.ravel(), side_b.ravel()).pvalue < 0.05)


def pooled_ranks(side_a: Samples, side_b: Samples) -> bool:
    """Mann-Whitney on all steps pooled."""
    return bool(mannwhitneyu(side_a.ravel(), side_b.ravel()).pvalue < 0.05)


def mean_and_noise(side_a: Samples, side_b: Samples) -> bool:
    """Means farther apart than the larger standard error of pooled steps, doubled: mean ± noise."""
    error = max(side.std(ddof=1) / np.sqrt(side.size) for side in (side_a, side_b))
    return bool(abs(side_a.mean() - side_b.mean()) > 2 * error)


def rates(mix: Mix, processes: int, pairs: int) -> list[float]:
    """False alarms and coverage of gpugap's rule, its power at 5 %, and the others' false alarms."""
    random = np.random.default_rng([SEED, processes, MIXES.index(mix)])
    shape = (pairs, processes, STEPS)
    same_a, same_b = simulate(mix, 1.0, shape, random)
    same = [ours(a, b, 1.0) for a, b in zip(same_a, same_b, strict=True)]
    other_a, other_b = simulate(mix, 1.05, shape, random)
    other = [ours(a, b, 1.05) for a, b in zip(other_a, other_b, strict=True)]
    few = slice(0, min(pairs, 500))
    rivals = [
        np.mean([rule(a, b) for a, b in zip(same_a[few], same_b[few], strict=True)])
        for rule in (pooled_t, pooled_ranks, mean_and_noise)
    ]
    return [
        float(np.mean([called for called, _ in same])),
        float(np.mean([held for _, held in same])),
        float(np.mean([called for called, _ in other])),
        *map(float, rivals),
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000, help="comparisons a mix")
    pairs = parser.parse_args().pairs
    table = Table(title=f"{pairs} comparisons a row, {STEPS} steps a process, stopping at ±{WIDTH:.0%}")
    header = (
        "noise",
        "processes",
        "false alarms",
        "coverage",
        "power at 5 %",
        "pooled t",
        "pooled ranks",
        "mean ± noise",
    )
    for name in header:
        table.add_column(name, justify="left" if name == "noise" else "right")
    for mix in MIXES:
        for processes in (5, 10, 20):
            table.add_row(mix.name, str(processes), *(f"{rate:.1%}" for rate in rates(mix, processes, pairs)))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
