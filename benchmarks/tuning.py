"""What tuning brings on this CPU, and whether the search finds what an exhaustive one does. Run with ``make bench``.

Part ``gains``: for each network, ``gpugap tune`` finds a setting; then it, the framework as it comes, PyTorch's own
launcher for CPUs (``torch.backends.xeon.run_cpu``) and plain ``torch.compile`` run side by side in interleaved blocks
of fresh processes, training at equal batch. The aims are for the setting without another allocator, on two cores with
native bf16; allocator and best batch are told apart.

Part ``grid``: every configuration of a declared grid in three processes, then the tuner's search and proof on the same
choices in a quarter of that time; the two winners, where they differ, meet on new processes. Both compile into caches
that were empty. ``gpugap tune`` has more choices, and checks results and tries batches besides.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from gpugap.core.verdict import Comparison
from gpugap.measure.runner import probe
from gpugap.measure.spread import Host, Request, spread
from gpugap.measure.target import parse_target
from gpugap.sensors.cpu import cores_physical_first
from gpugap.sensors.environment import capture
from gpugap.stats.compare import compare_paired, control_family
from gpugap.tune.api import tune
from gpugap.tune.proof import WINDOW_S, affordable_ladder, ladder_of, least_s, prove
from gpugap.tune.search import search
from gpugap.tune.space import BASE, FREED_KEPT, Arm, Choice
from gpugap.tune.trials import Subject, Trials

AIMS = {"conv6@32": 2.5, "resnet18@32": 2.3, "vgg16@32": 1.9, "cyclegan@256": 1.7}
"""Least gain of training at equal batch and with the same allocator."""

BATCHES = {"cyclegan@256": 1}
BATCH = 128
BUDGETS_S = {"conv6@32": 360.0, "vgg16@32": 480.0, "resnet18@32": 600.0, "cyclegan@256": 1200.0}
GRID_NETWORKS = ("conv6@32", "resnet18@32")
BLOCKS, GRID_PROCESSES = 5, 3
REACHED, IN_TIME = 0.97, 0.25
_DUMP = "import json, os\nprint('GPUGAP' + json.dumps([dict(os.environ), sorted(os.sched_getaffinity(0))]))\n"
_ITS_OWN = ("LD_PRELOAD", "OMP_", "KMP_", "MALLOC_")
_EVER = 1e9


def launcher() -> Choice:
    """What PyTorch's launcher sets for one instance, read from a program that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump.py"
        path.write_text(_DUMP)
        command = [sys.executable, "-m", "torch.backends.xeon.run_cpu", "--ninstances", "1", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        plain = subprocess.run([sys.executable, "-u", str(path)], capture_output=True, text=True, check=True).stdout
    (found, cores), (before, _) = (json.loads(one[one.index("GPUGAP") + 6 :].splitlines()[0]) for one in (text, plain))
    changed = {name: value for name, value in found.items() if before.get(name) != value}
    new = tuple(sorted((name, value) for name, value in changed.items() if name.startswith(_ITS_OWN)))
    told = ", ".join(f"{name}={value}" for name, value in new)
    return Choice("threads", f"run_cpu ({told})", (("variables", new), ("cores", tuple(cores))))


def trials_of(network: str, budget_s: float = _EVER) -> Trials:
    """Where the arms of a network run: training, at the benchmark's batch."""
    found, environment = probe("torch"), capture()
    request = Request(parse_target(network), "torch", "cpu", "train", BATCHES.get(network, BATCH))
    planned = spread(request, Host(1, False, ("cpu",)), "synthetic")[0]
    environment |= {"devices": found["devices"], "versions": found["versions"]}
    return Trials(Subject(planned.target, planned.cell, planned.setting, "synthetic", 0), environment, budget_s)


def blocks_of(trials: Trials, arms: Sequence[Arm], count: int) -> list[Mapping[Arm, float]]:
    """Interleaved blocks of fresh processes."""
    trials.block([BASE], WINDOW_S)  # how long a step takes
    return [trials.block(arms, WINDOW_S) for _ in range(count)]


def gains_of(blocks: Sequence[Mapping[Arm, float]], base: Arm, arms: Sequence[Arm]) -> list[Comparison]:
    """Each arm against the base, judged together."""
    times = {arm: {n: block[arm] for n, block in enumerate(blocks) if arm in block} for arm in (base, *arms)}
    return control_family([compare_paired(times[base], times[arm]) for arm in arms])


def shown(comparison: Comparison) -> str:
    """A gain with its interval and verdict."""
    gain = comparison.speedup
    if gain.value is None or gain.low is None or gain.high is None:
        return f"unknown ({comparison.reason})"
    return f"{gain.value:.2f} ({gain.low:.2f} - {gain.high:.2f}) {comparison.verdict}"


def measure_gains(network: str, budget_s: float) -> bool:
    """Prints what each way brings; whether the aim was missed."""
    batch, aim = BATCHES.get(network, BATCH), AIMS[network]
    begin = time.monotonic()
    found = tune(network, batch=batch, budget=budget_s, save=False, tell=_tell)
    print(f"{network}: tuned in {time.monotonic() - begin:.0f} s, {found.effort.processes} processes: {found.verdict}")
    print(found)
    print(f"  same results: {found.equality.to_dict()}", flush=True)
    if found.proof is None:
        return True
    winner = found.proof.winner
    plain = Arm((Choice("execution", "torch.compile", execution="compile"),))
    ways = {
        "tuned, same allocator": found.proof.same_allocator,
        "tuned": winner,
        "torch.backends.xeon.run_cpu": Arm((launcher(),)),
        "torch.compile alone": plain,
    }
    arms = list(dict.fromkeys(ways.values()))
    trials = trials_of(network)
    gains = dict(zip(arms, gains_of(blocks_of(trials, [BASE, *arms], BLOCKS), BASE, arms), strict=True))
    for name, arm in ways.items():
        failed = f" failed: {trials.failures[arm]['message']}" if arm in trials.failures else ""
        print(f"{network} train batch {batch}, {name} [{arm.label}]: {shown(gains[arm])}{failed}")
    reached = gains[ways["tuned, same allocator"]].speedup.value or 0.0
    print(f"{network}: aim >= {aim}, same allocator and batch: {reached:.2f}")
    if found.batches is not None and found.batches.gain is not None:
        print(f"{network}: best batch {found.batches.best}, a sample: {shown(found.batches.gain.gain)}", flush=True)
    return reached < aim


def grid_choices() -> tuple[Choice, ...]:
    """The declared grid: all combinations of these five, each made or not, 32 configurations."""
    cores = cores_physical_first()
    return (
        Choice("precision", "bf16 autocast", (("precision", "bf16"),)),
        Choice("layout", "channels-last", (("channels_last", True),)),
        Choice("execution", "torch.compile", execution="compile"),
        Choice("threads", "bound to cores", (("threads", len(cores)), ("cores", cores))),
        FREED_KEPT,
    )


def grid(choices: Sequence[Choice]) -> list[Arm]:
    """Every combination, the baseline first."""
    sets = itertools.chain.from_iterable(itertools.combinations(choices, count) for count in range(len(choices) + 1))
    arms = []
    for made in sets:
        arm = BASE
        for choice in made:
            arm = arm.having(choice)
        arms.append(arm)
    return arms


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """A cache of its own for Inductor, so that nobody is handed what another has compiled."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            os.environ.pop(name)
            if before is not None:
                os.environ[name] = before


def measure_grid(network: str) -> bool:
    """Prints how near to the best of the grid the tuner came, and in which time; whether an aim was missed."""
    choices = grid_choices()
    arms, trials = grid(choices), trials_of(network)
    with empty_cache():
        blocks = blocks_of(trials, arms, GRID_PROCESSES)
    grid_s = trials.spent_s()
    means = {arm: fmean(block[arm] for block in blocks) for arm in arms if all(arm in block for block in blocks)}
    best = min(means, key=lambda arm: means[arm])
    print(f"{network}: {len(arms)} configurations in {grid_s:.0f} s, best: {best.label}, {len(trials.failures)} failed")

    tuner = trials_of(network, IN_TIME * grid_s)
    with empty_cache():
        tuner.block([BASE], WINDOW_S)
        found = search(choices, tuner, lambda arm: least_s((BASE, arm), tuner))
        winner = found.ranked[0] if found.ranked else BASE
        proof = prove(affordable_ladder(ladder_of(winner, found.gains), tuner), tuner, BATCHES.get(network, BATCH))
    taken = tuner.spent_s() / grid_s
    print(f"{network}: tuner: {winner.label}, {shown(proof.gain)}, in {taken:.0%} of the time, aim <= {IN_TIME:.0%}")
    reached = 1.0
    if winner != best:
        arena = trials_of(network)
        comparison = gains_of(blocks_of(arena, [best, winner], BLOCKS), best, [winner])[0]
        reached = comparison.speedup.value or 0.0
        print(f"{network}: best of the grid / tuner, new processes: {shown(comparison)}")
    print(f"{network}: the tuner reaches {reached:.1%} of the best, aim >= {REACHED:.0%}", flush=True)
    return reached < REACHED or taken > IN_TIME


def _tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Prints one line a figure; exit status 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("gains", "grid"), help="this one alone")
    parser.add_argument("--network", choices=tuple(AIMS), help="this one alone")
    parser.add_argument("--budget", type=float, help="seconds of the search, in place of the network's own")
    chosen = parser.parse_args()
    missed = False
    for network in [chosen.network] if chosen.network else AIMS:
        if chosen.part != "grid":
            missed |= measure_gains(network, chosen.budget or BUDGETS_S[network])
    for network in GRID_NETWORKS:
        if chosen.part != "gains" and chosen.network in (None, network):
            missed |= measure_grid(network)
    sys.exit(missed)


if __name__ == "__main__":
    main()
