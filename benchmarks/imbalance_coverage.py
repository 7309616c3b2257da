"""How often the 90 % intervals of ``gpugap access`` hold the truth, in worlds where it is known.

Two worlds: one in which what is not listed is exactly like the list (holders are drawn from the list itself), and a
smoother one with a hundred times as many clusters, log-normal within each country. A list of the real one's length is
drawn many times; each time the intervals are made as the verb makes them and held against the whole world.

Run: ``python benchmarks/imbalance_coverage.py --lists 200``.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gpugap.catalog.compute import KnownCompute, known_compute
from gpugap.plan.imbalance import Imbalance, imbalance_of

TIMES = 100


def world_like_the_list(view: str) -> list[KnownCompute]:
    """The placed holders of a view."""
    scope = "university" if view.startswith("university") else "cluster"
    return [one for one in known_compute() if one.scope == scope and one.iso3]


def smooth_world(random: np.random.Generator) -> list[KnownCompute]:
    """A hundred times as many clusters: countries as often as in the list, log-normal around the country's mean."""
    held = [one for one in world_like_the_list("country") if one.amount > 0]
    logs: dict[str, list[float]] = defaultdict(list)
    for one in held:
        logs[one.iso3].append(float(np.log(one.amount)))
    spread = float(np.sqrt(np.mean([(x - np.mean(group)) ** 2 for group in logs.values() for x in group])))
    drawn = [held[place] for place in random.integers(0, len(held), TIMES * len(held))]
    means = {code: float(np.mean(group)) for code, group in logs.items()}
    return [replace(one, amount=float(np.exp(random.normal(means[one.iso3], spread)))) for one in drawn]


def coverage(view: str, world: Sequence[KnownCompute], length: int, lists: int, random: np.random.Generator) -> str:
    """A line of a table: how often each interval held the world's own number."""
    truth = statistics_of(imbalance_of(view, world))
    hits: Counter[str] = Counter()
    for _ in range(lists):
        drawn = [world[place] for place in random.integers(0, len(world), length)]
        seen = imbalance_of(view, [replace(one, name=f"holder {place}") for place, one in enumerate(drawn)])
        places = dict(zip(("gini", *_names(truth)), (seen.gini, *seen.tops.values()), strict=False))
        for name, estimate in places.items():
            hits[name] += (estimate.low or 0.0) <= truth[name] <= (estimate.high or 0.0)
    return ", ".join(f"{name} {hits[name] / lists:.0%}" for name in truth)


def statistics_of(one: Imbalance) -> dict[str, float]:
    """Gini and top shares by the place of each."""
    found = {"gini": one.gini.value or 0.0}
    return found | {f"top {place}": share.value or 0.0 for place, share in enumerate(one.tops.values(), start=1)}


def _names(truth: dict[str, float]) -> list[str]:
    return [name for name in truth if name != "gini"]


def main() -> None:
    """Prints the table; ``top 1`` to ``top 3`` are the largest 1, 5 and 10, or 1, 5 and 10 % of people."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=200)
    lists = parser.parse_args().lists
    random = np.random.default_rng(9)
    for view in ("country", "country-per-head", "sector", "university", "university-per-student"):
        world = world_like_the_list(view)
        print(f"{view}, like the list: {coverage(view, world, len(world), lists, random)}", flush=True)
    length = len(world_like_the_list("country"))
    for view in ("country", "country-per-head", "sector"):
        print(f"{view}, smooth: {coverage(view, smooth_world(random), length, lists, random)}", flush=True)


if __name__ == "__main__":
    main()
