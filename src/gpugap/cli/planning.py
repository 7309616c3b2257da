"""Options and steps that ``plan`` and ``proposal`` share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli.output import writing
from gpugap.core.units import parse_count

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.plan.option import Ground

Step = Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What is to be trained.")]
Epochs = Annotated[float, typer.Option(help="Passes over the samples; how many you need is yours to know.")]
Samples = Annotated[int, typer.Option(parser=parse_count, metavar="<int>", help="A pass.")]
Batch = Annotated[int, typer.Option(help="Samples a step, on all devices together.")]
Mode = Annotated[str, typer.Option(help="train or inference.")]
Precision = Annotated[str, typer.Option(help="fp64, fp32, tf32, bf16 or fp16 (the last two autocast).")]
Gpus = Annotated[str, typer.Option("--gpu", help="Only these: t4,rtx-4090 [default: all that can be had].")]
CenterGpus = Annotated[str, typer.Option("--gpu", help="What the center has: a100-80gb.")]
Counts = Annotated[str, typer.Option("--gpus-a-machine", help="That share the batch: 1,2,8.")]
Own = Annotated[str, typer.Option(help="What you have: cpu,rtx-3060-12gb.")]
Budget = Annotated[str | None, typer.Option(help="At most: 20 or 20USD.")]
Deadline = Annotated[str | None, typer.Option(help="At most: 90m, 12h or 3d.")]
Country = Annotated[str, typer.Option(help="Where you are: KE, KEN or Kenya; for carbon and electricity.")]
KwhPrice = Annotated[float | None, typer.Option(help="Your electricity, USD a kWh [default: the country's].")]
Goal = Annotated[str, typer.Option("--optimise", "--optimize", help="cost, time or carbon.")]
With = Annotated[
    list[Path] | None, typer.Option("--with", metavar="FILE", help="Records of this step in place of predictions.")
]
Prices = Annotated[Path | None, typer.Option(help="Your own price list (CSV).")]
Evaluate = Annotated[float, typer.Option(help="Share of the samples evaluated after each epoch.")]
Data = Annotated[str | None, typer.Option(help="Data to fetch and keep: 150GB.")]
LoaderRate = Annotated[float | None, typer.Option(help="Samples a second of your input pipeline.")]
InterruptedEvery = Annotated[
    str | None, typer.Option(help="Mean time between interruptions of spot machines [default: 5 h to 10 days].")
]
Utilization = Annotated[float, typer.Option(help="Share of its life a bought machine would be busy.")]
Only = Annotated[str, typer.Option(help="Only options whose name holds this: spot, kaggle.")]
Emit = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write run.sh, job.sbatch, sky.yaml of the best option.")
]
EmitPilot = Annotated[
    Path | None, typer.Option("--emit", metavar="FOLDER", help="Write the pilot: run.sh, job.sbatch.")
]
Command = Annotated[str, typer.Option(help="Trains and resumes, for --emit [default: $TRAIN].")]
Page = Annotated[Path | None, typer.Option("--output", "-o", help="Also write a page.")]
Runs = Annotated[int, typer.Option(help="How many, seeds and searches included.")]
Form = Annotated[str, typer.Option("--format", help="markdown or latex.")]
Target = Annotated[Path | None, typer.Option("--output", "-o", help="Write it there.")]

_SAME = ("epochs", "samples", "batch", "mode", "precision", "cpu", "country", "goal", "only")


def wished(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `gpugap.study.plan.plan` is asked for, from options as they were typed.

    Args:
        given: options by name; what a verb does not have is left out.

    Raises:
        BadValue: an amount, a span or a number cannot be read.
    """
    from gpugap.core.money import parse_money
    from gpugap.core.units import parse_duration, parse_memory

    asked = {name: given[name] for name in _SAME if name in given}
    asked |= {name: names_of(given[name]) for name in ("gpus", "own") if name in given}
    asked["counts"] = numbers_of(given["counts"])
    asked["usd_per_kwh"] = given.get("kwh_price")
    asked["budget_usd"] = parse_money(given["budget"], "--budget") if given.get("budget") else None
    asked["deadline_s"] = parse_duration(given["deadline"]) if given.get("deadline") else None
    asked["run"] = {
        "evaluated": given["evaluate"],
        "loader_per_s": given.get("loader_rate"),
        "data_bytes": parse_memory(given["data"]) if given["data"] else 0,
        **_mean(given.get("interrupted_every")),
    }
    asked["wish"] = {"utilization": given["utilization"]} if "utilization" in given else {}
    return asked


def names_of(text: str) -> list[str]:
    """The names in ``t4,rtx-4090``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers_of(text: str) -> list[int]:
    """The numbers in ``1,2,8``.

    Raises:
        BadValue: something else stands in it.
    """
    from gpugap.core.errors import BadValue

    try:
        return [int(name) for name in names_of(text)]
    except ValueError:
        raise BadValue(f"--gpus-a-machine {text!r}", "give numbers such as 1,2,8") from None


def _mean(text: str | None) -> dict[str, Any]:
    from gpugap.core.estimate import Estimate
    from gpugap.core.units import parse_duration

    if text is None:
        return {}
    told = f"every {text} on average, as given"
    return {"spot_mean_s": Estimate(parse_duration(text), None, None, None, "s", "published", told, None)}


@dataclass(frozen=True)
class Named:
    """Records that stand in files which the user named.

    Attributes:
        records: of this step.
        files: where they stand; empty where none was named.
    """

    records: Sequence[Record]
    files: str

    def check(self, ground: Ground, mode: str) -> None:
        """That they took the place of a prediction.

        Raises:
            BadValue: none did.
        """
        from gpugap.study.plan import check_taken

        if self.files:
            check_taken(self.records, ground, mode, self.files)


def named_of(step: str, files: Sequence[Path] | None) -> Named:
    """The records of files that are of the step.

    Raises:
        BadRecordFile: a file cannot be read.
        BadValue: the files hold nothing of this step; says what they are of.
    """
    from gpugap.core.errors import BadValue
    from gpugap.measure.target import parse_target
    from gpugap.store.exchange import read_file

    if not files:
        return Named((), "")
    told, name = ", ".join(map(str, files)), parse_target(step).name
    records = [record for path in files for record in read_file(path).records]
    mine = [record for record in records if record.cell.workload == name]
    if not mine:
        found = sorted({record.cell.workload for record in records})
        raise BadValue(f"{told} is of {', '.join(found) or 'nothing'}, not of {name}", "give records of this step")
    return Named(mine, told)


def records_of(step: str, named: Named, database: str | None) -> list[Record]:
    """Of sessions of the store in which the step ran and, after those, the named ones."""
    from gpugap.cli.predict import stored

    return [*stored(step, database), *named.records]


def written_files(texts: Mapping[str, str], folder: Path) -> list[str]:
    """Writes files by name into a folder, scripts executable; their full paths.

    Raises:
        InputError: they cannot be written.
    """
    written = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            path.write_text(text, encoding="utf-8")
            if name.endswith(".sh"):
                path.chmod(0o755)
            written.append(str(path.resolve()))
    return written


_NOT_AGAIN = ("--emit", "--command", "--with", "--output", "-o", "--db", "--only")
"""Options that the script does not repeat; each has a value."""


def again() -> tuple[str, ...]:
    """The arguments of this command as the script repeats them."""
    kept: list[str] = []
    left = iter(sys.argv[2:])
    for word in left:
        if word in ("--json", "--quiet", "-q"):
            continue
        if word.split("=")[0] in _NOT_AGAIN:
            if "=" not in word:
                next(left, None)
            continue
        kept.append(word)
    return tuple(kept)
