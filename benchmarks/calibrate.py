"""Refits the latency model's artefact: ``make calibrate TABLES=DIR``.

Needs the extra ``[calibrate]``, the tables of measured operators and models, and traces of the models, which
``gpugap validate`` keeps in its cache. Everything that is chosen is chosen by leaving out whole GPUs and families;
what comes out of that is written into the manifest.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fitting.grow import COMMON
from fitting.left_out import (
    Miss,
    Tables,
    fits_without,
    floors_missed,
    gpus_left_out,
    images_left_out,
    nodes_left_out,
    shapes_left_out,
    summary,
    transformers_left_out,
    whole_single,
    with_half,
)
from fitting.operators import Sample, common_trees, fit_base, floors_of, in_memory, own_trees, sample
from fitting.tables import Measured, read_operators
from fitting.wholes import Step, read_nodes, read_steps
from fitting.writing import manifest_of, spreads_of, widening_of, write

from gpugap.predict.latency.artefact import Artefact
from gpugap.predict.latency.table_ops import TABLE_KINDS
from gpugap.study.scoring.cases import Case
from gpugap.study.scoring.traces import Traces

PACKAGE = Path(__file__).parents[1] / "src" / "gpugap" / "predict" / "latency"
_ROWS = 4000
"""Calls of one kind on one GPU that are read."""


def main() -> None:
    """Reads, fits, leaves out, writes, and prints the fit report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, help="folder of ops, model_ops, end_to_end and timm")
    parser.add_argument("--cache", type=Path, help="folder of traces; that of gpugap validate where not given")
    parser.add_argument("--out", type=Path, default=PACKAGE, help="folder to write to; the package where not given")
    given = parser.parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {what}", file=sys.stderr, flush=True)

    tables = read_operators(given.tables, _ROWS)
    traces = Traces(given.cache)
    language = read_steps(given.tables / "end_to_end.csv", traces)
    images = read_steps(given.tables / "timm.parquet", traces)
    say(f"{len(language)} steps of transformers and {len(images)} of image models have traces")
    data = sample(tables)
    constants = fit_base(data)
    say("constants of single precision fitted")
    common = common_trees(constants, data)
    single = in_memory(constants, common | own_trees(constants, data, common))
    say("trees grown")
    known = with_half(single, images)
    say("half precision and the backward pass fitted")
    nodes = read_nodes(given.tables / "model_ops.parquet")
    misses = _left_out((data, tables), (single, known), (language, images), nodes, say)
    write(given.out, _finished(known, tables, (language, images), misses))
    for case, numbers in summary(misses).items():
        print(f"{case}: {numbers['mean_percent']} % mean, {numbers['median_percent']} % median, n = {numbers['n']}")


def _left_out(
    calls: tuple[Sample, Tables],
    made: tuple[Artefact, Artefact],
    steps: tuple[list[Step], list[Step]],
    nodes: list[Case],
    tell: Callable[[str], None],
) -> list[Miss]:
    """Everything that was left out once, and how far the floors of hosts are apart."""
    (data, tables), (single, known) = calls, made
    smaller = replace(COMMON, trees=COMMON.trees * 5 // 8)
    misses: list[Miss] = []
    for group in data.calls:
        misses += shapes_left_out(group, data, single.constants, smaller)
    tell("shapes left out")
    keys = sorted({one.chip.key for found in data.calls.values() for one in found})
    fits = fits_without(data, keys, smaller)
    misses += gpus_left_out(data, fits, tables)
    misses += floors_missed(tables, single.constants)
    misses += nodes_left_out(nodes, known, fits, tables)
    misses += transformers_left_out(steps[0], known, fits)
    tell("GPUs and families of transformers left out")
    misses += images_left_out(steps[1], single)
    tell("families and GPUs of image models left out")
    return misses


def _finished(
    known: Artefact,
    tables: dict[str, dict[str, Measured]],
    steps: tuple[list[Step], list[Step]],
    misses: list[Miss],
) -> Artefact:
    language, images = steps
    common, own = whole_single(language, known)
    known = replace(known, constants=replace(known.constants, whole={"single": common, "half": 1.0}))
    spreads = spreads_of(misses)
    rows = {key: sum(len(one.seconds) for one in kinds.values()) for key, kinds in tables.items()}
    for step in (*language, *images):
        rows[step.key] = rows.get(step.key, 0) + 1
    families = {"transformers": [step.family for step in language], "images": [step.family for step in images]}
    return replace(
        known,
        gpu_constants={
            key: replace(known.constants, whole={**known.constants.whole, "single": factor})
            for key, factor in own.items()
        },
        floors=floors_of(tables),
        spreads=spreads,
        widening=widening_of(misses, spreads),
        manifest=manifest_of(rows, families, misses, TABLE_KINDS),
    )


if __name__ == "__main__":
    main()
