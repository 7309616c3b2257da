"""A request for compute time, as centers ask for it: units, runs, scaling, justification, and what needs a pilot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, duration, gibibytes, significant
from gpugap.core.version import __version__
from gpugap.plan.api import Subject
from gpugap.plan.option import Excluded, Ground, Worker
from gpugap.plan.request import Request
from gpugap.plan.rows import span_text, time_text
from gpugap.report.formats import Row, Sheet, latex, latex_text, markdown

PROPOSAL_FORMATS = ("markdown", "latex")
_WIDE = 0.1
"""A number whose interval is wider than this on either side needs a pilot before it is asked for."""


@dataclass(frozen=True, slots=True)
class Purpose(Subject):
    """What the request is for.

    Attributes:
        pilot: command that measures what is predicted.
    """

    pilot: str


def proposal(about: Purpose, found: Request, ground: Ground, excluded: Sequence[Excluded], form: str) -> str:
    """The request as a text.

    Args:
        about: what it is for.
        found: units, runs and scaling.
        ground: the run and what is known.
        excluded: GPUs that do not do it.
        form: one of `PROPOSAL_FORMATS`.
    """
    sheets = [_units(found, ground), _scaling(found), _pilots(found), _left_out(excluded)]
    kept = [sheet for sheet in sheets if sheet.rows]
    told = f"gpugap {__version__}"
    words = list(justification(about, found, ground))
    if form == "markdown":
        text = "\n\n".join(words)
        return f"# Request for compute time: {about.workload}\n\n{text}\n\n{markdown(kept, told)}"
    return "\n\n".join(map(latex_text, words)) + "\n\n" + latex(kept, told)


def justification(about: Purpose, found: Request, ground: Ground) -> Iterator[str]:
    """Paragraphs of the request."""
    run, chosen = ground.run, found.chosen
    yield (
        f"{about.workload}, {about.mode} in {about.precision}: {run.epochs:g} epochs of {run.samples} samples at batch "
        f"{run.batch} are {run.steps} steps a run; runs asked for: {found.runs}. Epochs are the applicant's own "
        f"knowledge and hold for this batch size."
    )
    limit = f", bound by {chosen.bound}" if chosen.bound else ""
    yield (
        f"On {_name(chosen)} a step takes {1e3 * (chosen.step_time.value or 0):.3g} ms "
        f"({chosen.step_time.kind}, {chosen.domain}{limit}); a run takes {time_text(found.run_time)} with evaluation, "
        f"checkpoints and start. {found.runs} runs are {span_text(found.hours)} GPU hours; asked for is the high end, "
        f"{significant(found.asked_h)} GPU hours."
    )
    cpu = next((one for one in ground.workers if one.gpu is None), None)
    if cpu is not None and cpu.step_time.value and chosen.step_time.value:
        ratio = cpu.step_time.value / chosen.step_time.value
        took = duration(cpu.step_time.value * run.steps)
        yield f"Without a GPU, a run's steps take {took} on {cpu.name} (measured), {ratio:.3g} times as long."
    if found.needed is not None:
        ends = f"{gibibytes(found.needed.low)} to {gibibytes(found.needed.high)}"
        yield f"The step takes {ends} of device memory (traced)."
    yield f"Pilot: {about.pilot}"


def _units(found: Request, ground: Ground) -> Sheet:
    storage = ground.run.data_bytes + found.runs * (found.checkpoint_bytes.value or 0.0) * 2
    rows: list[Row] = [
        ("Time of a run", time_text(found.run_time), found.run_time.kind),
        ("GPU hours a run", span_text(found.hours_a_run), found.hours_a_run.kind),
        (f"GPU hours, {found.runs} runs", span_text(found.hours), found.hours.kind),
        ("GPU hours asked for", significant(found.asked_h), "high end"),
        ("Energy, kWh", span_text(found.energy, 1 / 3.6e6), found.energy.kind),
        ("Carbon, kg CO2e", span_text(found.carbon, 1e-3), found.carbon.kind if found.carbon.value else UNKNOWN),
        ("Storage", gibibytes(storage) if storage else UNKNOWN, "two checkpoints a run, and data"),
    ]
    note = f"{found.runs} runs on {_name(found.chosen)}; intervals in parentheses."
    return Sheet("Units", note, "units", ("What", "Amount", "Kind"), "lrl", rows)


def _scaling(found: Request) -> Sheet:
    rows: list[Row] = []
    for one in found.scaling:
        worker = one.worker
        rows.append(
            (
                worker.name,
                str(worker.count),
                span_text(_milliseconds(worker.step_time)),
                span_text(one.speedup),
                f"{span_text(one.efficiency, 100)} %",
                span_text(one.hours),
                worker.step_time.kind,
            )
        )
    header = ("GPU", "Count", "Step, ms", "Speedup", "Efficiency", "GPU hours a run", "Kind")
    note = "Data parallel with the batch of the whole run kept; the all-reduce is predicted, never measured here. "
    note += "Ratios take the errors of both step times for independent and are at most linear."
    return Sheet("Scaling", note, "scaling", header, "lrrrrrl", rows)


def _pilots(found: Request) -> Sheet:
    rows: list[Row] = []
    for worker in found.workers:
        low, high, value = worker.step_time.low, worker.step_time.high, worker.step_time.value
        if worker.step_time.kind == "measured" or value is None:
            continue
        wide = low is None or high is None or max(1 - low / value, high / value - 1) > _WIDE
        ends = "unknown" if low is None or high is None else f"{low / value:.2f} to {high / value:.2f} times"
        rows.append((f"step time on {_name(worker)}", ends, "before asking" if wide else "with the first run"))
    note = "Predicted numbers that the request stands on; the pilot measures them and gpugap plan --with takes them."
    return Sheet("Numbers that need a pilot", note, "pilot", ("Number", "Interval", "Pilot"), "lrl", rows)


def _left_out(excluded: Sequence[Excluded]) -> Sheet:
    rows: list[Row] = [(one.what, one.reason.replace("-", " "), one.told) for one in excluded if one.reason != "name"]
    return Sheet("Not asked for", "And why.", "left-out", ("What", "Why", "More"), "lll", rows)


def _name(worker: Worker) -> str:
    return f"{worker.count}x {worker.name}" if worker.count > 1 else worker.name


def _milliseconds(time: Estimate) -> Estimate:
    from gpugap.stats.propagation import scaled

    return scaled(time, 1e3, "ms", time.method)
