"""What every verb prints: one JSON document or tables on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.core.errors import GpugapError, InputError
from gpugap.core.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from gpugap.cli.tables import Table

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on standard error.")]
DatabaseOption = Annotated[
    str | None, typer.Option("--db", metavar="URL", help="Database file or SQLAlchemy URL [default: the data folder].")
]


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Around what writes a file the user has named.

    Raises:
        InputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", "choose another place with -o") from error


def visible(text: str) -> str:
    """Text of others without what would steer a terminal: escapes and other control characters become a mark."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Output:
    """Where a verb's words go.

    Args:
        verb: names the JSON schema.
        as_json: one JSON document instead of tables.
        quiet: no notes.
    """

    def __init__(self, verb: str, *, as_json: bool = False, quiet: bool = False) -> None:
        self.verb = verb
        self.as_json = as_json
        self.quiet = quiet
        self.warnings: list[str] = []

    @property
    def console(self) -> Console:
        """Rich's console on standard output; wide when nobody looks."""
        return _console(sys.stdout)

    @property
    def notes(self) -> Console:
        """Rich's console on standard error."""
        return _console(sys.stderr)

    def note(self, text: str) -> None:
        """A line on standard error."""
        if not self.quiet:
            self.notes.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A warning: a line on standard error, and an entry of the JSON document."""
        self.warnings.append(text)
        if not self.as_json:
            self.notes.print(f"warning: {visible(text)}", markup=False, highlight=False, soft_wrap=True, style="yellow")

    def done(self, result: dict[str, Any]) -> None:
        """Ends the verb: the JSON document, if one was asked for."""
        if self.as_json:
            self._document({"ok": True, "result": result})

    def fail(self, error: GpugapError) -> None:
        """Ends the verb with an error: one line, or the JSON document."""
        if self.as_json:
            fields = {"code": error.code, "message": error.message, "remedy": error.remedy}
            self._document({"ok": False, "error": fields})
            return
        self.notes.print(f"gpugap: {visible(str(error))}", markup=False, highlight=False, soft_wrap=True, style="red")

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", numbers: str = ""
    ) -> None:
        """A table on standard output.

        Args:
            header: column names.
            rows: of text.
            title: above the table.
            numbers: names of columns to align right, separated by commas.
        """
        from gpugap.cli.tables import Table

        self.show(Table(header, list(rows), frozenset(numbers.split(","))), title)

    def show(self, table: Table, title: str = "") -> None:
        """A table on standard output, laid out for the terminal's width.

        Args:
            table: what is shown.
            title: above it.
        """
        from gpugap.cli.tables import drawn

        console = self.console
        table = replace(table, rows=[tuple(map(visible, row)) for row in table.rows])
        if title:
            console.print(visible(title), style="italic", markup=False, highlight=False)
        for text in (*drawn(table, console.width, _STYLES), ""):
            console.print(text, markup=False, highlight=False, soft_wrap=True)

    def line(self, text: str = "") -> None:
        """A line on standard output."""
        self.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def page(self, written: str | Path | None) -> None:
        """Says where a page was written, if one was."""
        if written and not self.as_json:
            self.line(f"The page: {written}")

    def _document(self, body: dict[str, Any]) -> None:
        head = {"schema": f"gpugap.{self.verb}/1", "ok": body.pop("ok"), "version": __version__}
        print(json.dumps({**head, "warnings": self.warnings, **body}, allow_nan=False))  # noqa: T201 - the document


_STYLES = {
    "MEASURED": "bold",
    "PUBLISHED": "dim",
    "PREDICTED": "magenta",
    "converged": "green",
    "not converged": "yellow",
    "faster": "green",
    "slower": "red",
    "inconclusive": "yellow",
    "failed": "red",
}


def _console(stream: Any) -> Console:
    from rich.console import Console

    class Passing(Console):
        """Rich itself would exit with 1, which is a verdict here."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    width = None if stream.isatty() or "COLUMNS" in os.environ else 160
    return Passing(file=stream, width=width)
