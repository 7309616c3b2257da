"""Reads the catalog's tables, and those of users: an error names file, line and column."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gpugap.catalog.facts import AnyFact, Fact
from gpugap.core.errors import BadTable, UsageError

Spelled = Mapping[str, Callable[[str], str]]

_COLUMNS = "docs/catalog.md says what the columns hold"


def packaged(kind: type[AnyFact], name: str) -> tuple[AnyFact, ...]:
    """The rows of a table in this package."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return parsed(kind, text, name)


def from_file(
    kind: type[AnyFact], path: Path, defaults: Mapping[str, str], spelled: Spelled | None = None
) -> tuple[AnyFact, ...]:
    """The rows of a user's table.

    Args:
        kind: of rows.
        path: the CSV file.
        defaults: values of columns the file may leave out.
        spelled: how a text of a column becomes the catalog's own name.

    Raises:
        BadTable: the file cannot be read or is malformed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadTable(f"cannot read {path}: {error.strerror}", "give a CSV file") from error
    except UnicodeDecodeError as error:
        raise BadTable(f"{path} is not UTF-8 text", "give a CSV file in UTF-8") from error
    return parsed(kind, text, str(path), defaults, spelled)


def parsed(
    kind: type[AnyFact],
    text: str,
    name: str,
    defaults: Mapping[str, str] | None = None,
    spelled: Spelled | None = None,
) -> tuple[AnyFact, ...]:
    """The rows of a CSV text.

    Raises:
        BadTable: line and column of what is wrong.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_header(kind, reader.fieldnames or (), name, defaults or {})
        found = []
        for cells in reader:
            place = f"{name}, line {reader.line_num}"
            if None in cells or None in cells.values():
                known = len(reader.fieldnames or ())
                raise BadTable(f"{place}: the header has {known} columns, this line has more or fewer", _COLUMNS)
            given = {column: cell.strip() for column, cell in cells.items() if cell.strip()}
            found.append(row(kind, {**(defaults or {}), **given}, place, spelled))
    except csv.Error as error:
        raise BadTable(f"{name}, line {reader.line_num}: {error}", "save it as comma-separated values") from error
    return tuple(found)


def written(rows: Sequence[Fact]) -> str:
    """Rows of one kind as a CSV text that `parsed` reads back."""
    if not rows:
        return ""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = [one.name for one in fields(rows[0])]
    writer.writerow(columns)
    writer.writerows([_cell(getattr(one, column)) for column in columns] for one in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def row(kind: type[AnyFact], values: Mapping[str, Any], place: str, spelled: Spelled | None = None) -> AnyFact:
    """A row of values by column.

    Args:
        kind: of row.
        values: text, or what TOML holds; what is empty is left out.
        place: where it stands, for the message.
        spelled: how a text of a column becomes the catalog's own name.

    Raises:
        BadTable: the column that is wrong, and why.
    """
    schema: Any = kind  # mypy takes a generic class for unhashable
    unknown = sorted(values.keys() - _columns(schema))
    if unknown:
        raise BadTable(f"{place}, column {unknown[0]!r}: no such column", f"columns: {', '.join(_columns(schema))}")
    values = dict(values)
    for column, own in (spelled or {}).items():
        try:
            values |= {column: own(str(values[column]))} if column in values else {}
        except UsageError as error:
            raise BadTable(f"{place}, column {column!r}: {error.message}", error.remedy) from error
    try:
        made: AnyFact = _adapter(schema).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column, told = _told(first)
        raise BadTable(f"{place}, column {column!r}: {told}", _COLUMNS) from error
    return made


def _check_header(kind: type[AnyFact], header: Iterable[str], name: str, defaults: Mapping[str, str]) -> None:
    given = list(header)
    if not given:
        raise BadTable(f"{name}, line 1: no header", _COLUMNS)
    schema: Any = kind
    known = _columns(schema)
    for column in given:
        if column not in known:
            raise BadTable(f"{name}, line 1: unknown column {column!r}", f"columns: {', '.join(known)}")
        if given.count(column) > 1:
            raise BadTable(f"{name}, line 1: column {column!r} stands twice", "remove one")
    for column, needed in known.items():
        if needed and column not in given and column not in defaults:
            raise BadTable(f"{name}, line 1: column {column!r} is missing", _COLUMNS)


@functools.cache
def _columns(kind: type[Fact]) -> dict[str, bool]:
    """Whether each column is needed."""
    return {one.name: one.default is MISSING for one in fields(kind)}


def _told(error: Mapping[str, Any]) -> tuple[str, str]:
    """Column and complaint; what a row says of itself begins with its column."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        column, _, told = message.partition(": ")
        return column, told
    column = str(error["loc"][0])
    if error["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return column, "is empty"
    return column, f"{error['input']!r}: {message[:1].lower()}{message[1:]}"


@functools.cache
def _adapter(kind: type[Fact]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
