"""``gpugap doctor``: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpugap.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from gpugap.study.checkup import Checkup


def doctor(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Show cores, instruction sets, memory, GPUs, drivers, frameworks and sensors, and what is missing."""
    from gpugap.study.checkup import check_up

    output = Output("doctor", as_json=as_json, quiet=quiet)
    if not as_json:
        output.note("asking the frameworks, a few seconds …")
    found = check_up()
    if not as_json:
        _show(found, output)
    output.done(found.to_dict())


def _show(found: Checkup, output: Output) -> None:
    for name, text in found.lines():
        output.line(f"  {name:<14} {text}")
    if found.missing:
        output.line()
        output.line("Missing, and how to get it:")
    for item in found.missing:
        output.line(f"  {_text(item)}")


def _text(item: dict[str, Any]) -> str:
    return f"{item['what']}: {item['remedy']}"
