"""``gpugap parity``: whether the frameworks compute the same, before their speed is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli import options
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption
from gpugap.core.errors import ParityFailed

if TYPE_CHECKING:
    from gpugap.core.errors import GpugapError
    from gpugap.core.record import Record
    from gpugap.study.parity import Check
    from gpugap.study.prepare import Prepared

HEADER = ("network", "framework", "mode", "verdict", "worst check", "error", "allowed")
NUMBERS = "error,allowed"


def parity(
    workloads: Annotated[
        list[str] | None, typer.Argument(metavar="WORKLOAD", help="Networks [default: all of the study].")
    ] = None,
    *,
    frameworks: options.Frameworks = "all",
    execution: Annotated[str | None, typer.Option(help="One mode only, such as xla [default: every mode].")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check that frameworks compute the same: layers, losses, gradients, and parameters after three updates.

    All start from the same weights on the same batch. Outputs in single precision must agree with a double-precision
    reference to 1e-4, gradients to 1e-3 of their size, updated parameters in double precision to 1e-6. Exit code 1 when
    a check fails; the first layer that disagrees is named. Each result is stored.
    """
    from gpugap.study.parity import FORMS, all_executions, checks_of
    from gpugap.study.prepare import check_device, chosen_frameworks

    output = Output("parity", as_json=as_json, quiet=quiet)
    check_device(device)
    names, absent = chosen_frameworks(frameworks)
    show_left_out(absent, {}, output)
    modes = all_executions(names)
    checks = checks_of(workloads or FORMS, _only(modes, execution))
    records = run_checks(checks, device, database, output)
    if not as_json:
        show_parity(records, output)
    result = {"checks": [_entry(record) for record in records], "passed": all(r.status == "ok" for r in records)}
    for record in records:
        if record.status != "ok":
            output.warn((record.error or {}).get("message", record.status))
    output.done(result)
    if not result["passed"]:
        raise typer.Exit(ParityFailed.exit_code)


def show_left_out(absent: Mapping[str, GpugapError], broken: Mapping[str, str], output: Output) -> None:
    """Says which frameworks are left out and why: a line for those not installed, a warning for the others.

    Args:
        absent: of ``all``, those that cannot be measured.
        broken: those that do not start.
        output: takes the lines.
    """
    from gpugap.core.errors import MissingExtra

    for name, error in absent.items():
        (output.note if isinstance(error, MissingExtra) else output.warn)(f"without {name}: {error}")
    for name, reason in broken.items():
        output.warn(f"without {name}: {reason}")


def _only(modes: Mapping[str, tuple[str, ...]], execution: str | None) -> Mapping[str, tuple[str, ...]]:
    """The modes, or of each framework that has it the one asked for; the reference stays the first of the first."""
    from gpugap.core.errors import UnknownName

    if execution is None:
        return modes
    known = {mode for names in modes.values() for mode in names}
    if execution not in known:
        raise UnknownName("execution mode", execution, sorted(known))
    reference = next(iter(modes))
    first = {reference: tuple(dict.fromkeys((modes[reference][0], execution)))}
    if execution not in modes[reference]:
        first = {reference: modes[reference][:1]}
    return first | {name: (execution,) for name in modes if name != reference and execution in modes[name]}


def run_checks(checks: Sequence[Check], device: str, database: str | None, output: Output) -> list[Record]:
    """Runs checks with a line each on standard error; every record is stored as it ends."""
    from gpugap.sensors.environment import capture
    from gpugap.store.database import Store
    from gpugap.study.parity import check_parity

    done = 0

    def watch(check: Check) -> None:
        nonlocal done
        done += 1
        output.note(f"[{done}/{len(checks)}] parity of {check.form} in {check.framework} ({check.execution})")

    records = []
    with Store(database) as store:
        for record in check_parity(checks, device, capture(), watch):
            store.add(record)
            records.append(record)
    return records


def show_parity(records: Sequence[Record], output: Output) -> None:
    """One row a network, framework and mode: its worst check, or why it failed."""
    from gpugap.study.parity import worst

    rows = []
    for record in records:
        cell, check = record.cell, worst(record)
        verdict = "same" if record.status == "ok" else "DIFFERENT" if check else record.status
        texts = ("", "", "")
        if check is not None:
            size = "unknown" if check["error"] is None else f"{check['error']:.1e}"
            texts = (f"{check['group']} {check['tensor']}, {check['precision']}", size, f"{check['limit']:.0e}")
        rows.append((cell.workload, cell.framework, cell.execution or "", verdict, *texts))
    output.table(HEADER, rows, title="Parity: relative errors against one reference, measured", numbers=NUMBERS)


def _entry(record: Record) -> dict[str, Any]:
    return {
        "cell": record.cell.to_dict(),
        "status": record.status,
        **record.parity,
        "error": dict(record.error) if record.error else None,
    }


def prove(prepared: Prepared, database: str | None, output: Output) -> list[Record]:
    """The stored parity checks of a plan's cells, those that are still owed run first.

    A check that fails is a warning: the comparison goes on and is marked as unverified.
    """
    from gpugap.store.database import Store
    from gpugap.study.parity import owed

    cells = [planned.cell for planned in prepared.plan.cells]
    with Store(database) as store:
        stored = [record for record in store.records() if record.purpose == "parity"]
    found: list[Record] = []
    for device, checks in owed(cells, stored, prepared.plan.versions).items():
        found += run_checks(checks, device, database, output)
    for record in found:
        if record.status != "ok":
            output.warn(f"unverified: {(record.error or {}).get('message', record.status)}")
    return [*stored, *found]
