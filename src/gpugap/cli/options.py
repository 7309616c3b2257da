"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps [default: every kind present].")]
Budget = Annotated[str | None, typer.Option(help="Start nothing that would end later: 90s, 10m, 1h.")]
Data = Annotated[str, typer.Option(help="synthetic, cifar10:PATH or folder:PATH.")]
Seed = Annotated[int, typer.Option(help="Of data, initialization and order.")]
Cpu = Annotated[str, typer.Option("--cpu", help="Which cells of the CPU: default, tuned or both.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again what was measured before.")]
Framework = Annotated[
    str | None, typer.Option(help="torch, tensorflow, jax or null [default: what the file imports, or torch].")
]
Frameworks = Annotated[
    str, typer.Option(help="all that are installed, or a list: torch,tensorflow,jax; null tries the pipeline alone.")
]
Execution = Annotated[
    str | None,
    typer.Option(
        help="torch: eager, compile; tensorflow: function, eager, xla; jax: jit, op-by-op [default: the first]."
    ),
]
