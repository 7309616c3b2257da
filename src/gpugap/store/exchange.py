"""Records as JSON Lines, one line a process: ``gpugap.record/1`` of `docs/schemas/record.schema.json`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from gpugap.core.cell import Cell
from gpugap.core.errors import BadRecordFile
from gpugap.core.record import SCHEMA, Record, Status
from gpugap.store import shapes

MIN_STEP_TIME_S, MAX_STEP_TIME_S = 1e-12, 1e7
"""A step of less than a picosecond or more than 115 days is a mistake in the unit."""

_REMEDY = "docs/records.md shows the format; its first seven fields are enough"


_LONE = re.compile("[\ud800-\udfff]")

_NOT_A_FIELD = ("cell", "step_time_s", "steadiness", "extra")
"""Attributes of a record that are not written, or written in a form of their own."""


MAX_BATCH = 2**53
"""The largest whole number up to which a double holds every one."""


def _without_controls(text: str) -> str:
    if any(category(character) == "Cc" for character in text):
        raise ValueError("control characters")
    return text


def _plain_text(text: str) -> str:
    if not text.strip():
        raise ValueError("empty text")
    return _without_controls(text)


Name = Annotated[StrictStr, Field(min_length=1, max_length=300), AfterValidator(_plain_text)]
Factor = Annotated[StrictStr, AfterValidator(_without_controls)]
StepTime = Annotated[StrictFloat | StrictInt, Field(ge=MIN_STEP_TIME_S, le=MAX_STEP_TIME_S, allow_inf_nan=False)]


class _CellLine(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Factor, Factor | StrictBool | StrictInt | StrictFloat | None]
    workload: Name
    device: Name
    framework: Name
    mode: Literal["train", "inference"]
    batch: Annotated[StrictInt, Field(ge=1, le=MAX_BATCH)]
    precision: Name
    tuning: Name | None = None
    execution: Name | None = None
    data: Name | None = None


class _RecordLine(BaseModel):
    model_config = ConfigDict(extra="allow")
    cell: _CellLine
    session: Name
    process: StrictInt | Name
    block: StrictInt | Name | None = None
    step_time_s: list[StepTime]
    status: Status
    warmup_steps: Annotated[StrictInt, Field(ge=0)] = 0
    window_steps: Annotated[StrictInt, Field(ge=1)] = 1
    phases: Annotated[dict[str, float | None], AfterValidator(shapes.shaped(shapes.Phases))] = {}
    memory: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Memory))] = {}
    energy: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Energy))] = {}
    settings: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Settings))] = {}
    environment: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Environment))] | None = None
    error: dict[str, str] | None = None
    purpose: Literal["timing", "details", "accuracy", "parity", "tuning", "outcome"] = "timing"
    details: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Details))] = {}
    accuracy: dict[str, Any] = {}
    parity: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Parity))] = {}
    guards: Annotated[dict[str, Any], AfterValidator(shapes.shaped(shapes.Guards))] = {}
    started_at: Annotated[Name, Field(max_length=40)] | None = None
    gpugap: str | None = None


@dataclass(frozen=True, slots=True)
class RecordFile:
    """What a file held.

    Attributes:
        records: in the order of the lines.
        warnings: what was missing or left out, one line each.
    """

    records: tuple[Record, ...]
    warnings: tuple[str, ...]


def to_line(record: Record) -> str:
    """The record as one JSON line, without the newline."""
    known = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in _NOT_A_FIELD}
    head = {"schema": SCHEMA, "cell": record.cell.to_dict()}
    order = ("session", "process", "block")
    body = {name: known.pop(name) for name in order} | {
        "step_time_s": record.step_time_s,
        "status": known.pop("status"),
    }
    if record.purpose == "timing":
        del known["purpose"]
    optional = {name: value for name, value in known.items() if value not in (None, {})}
    return json.dumps({**head, **body, **optional, **record.extra}, allow_nan=False, default=dict)


def from_line(line: str) -> Record:
    """The record of one JSON line.

    Raises:
        BadRecordFile: not JSON, another schema, or a field that is missing or out of range.
    """
    try:
        content = json.loads(line)
        fault = _fault(content)
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits, and thousands of brackets
        raise BadRecordFile(f"not JSON ({error})", _REMEDY) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise BadRecordFile(f'"schema" is {str(schema)[:60]!r}, not {SCHEMA!r}', _REMEDY)
    if fault is not None:
        raise BadRecordFile(fault, _REMEDY)
    try:
        parsed = _RecordLine.model_validate({k: v for k, v in content.items() if k != "schema"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        where = where if where.isprintable() else repr(where)
        told, found = first["msg"].removeprefix("Value error, "), str(first["input"])[:40]
        raise BadRecordFile(f"{where}: {told} (found {found!r})", _REMEDY) from error
    return _to_record(parsed)


def _fault(value: object, where: str = "") -> str | None:
    """Dotted place of the first NaN, infinity or half of a character in parsed JSON, and which; None without one."""
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{where}: NaN or infinity"
    if isinstance(value, str):
        return None if _LONE.search(value) is None else f"{where}: half of a character (a lone surrogate)"
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
    faults = (_fault(name, "a name") or _fault(item, f"{where}.{name}" if where else str(name)) for name, item in items)
    return next((fault for fault in faults if fault is not None), None)


def _to_record(parsed: _RecordLine) -> Record:
    cell = Cell.from_dict({k: v for k, v in parsed.cell.model_dump().items() if v is not None})
    timing = parsed.purpose == "timing"
    if timing and parsed.status == "ok" and len(parsed.step_time_s) <= parsed.warmup_steps:
        raise BadRecordFile("step_time_s: an ok record needs at least one step after warm-up", _REMEDY)
    if parsed.purpose == "accuracy" and parsed.status == "ok":
        try:
            shapes.shaped(shapes.Accuracy)(parsed.accuracy)
        except ValueError as error:
            raise BadRecordFile(f"accuracy.{error}", _REMEDY) from error
    values = {f.name: getattr(parsed, f.name) for f in fields(Record) if f.name not in _NOT_A_FIELD}
    values["step_time_s"] = tuple(float(time) for time in parsed.step_time_s)
    return Record(cell=cell, extra=parsed.model_extra or {}, **values)


def read_lines(lines: Iterable[str], name: str) -> RecordFile:
    """Records of a text in JSON Lines.

    A last line that breaks off (the writer was killed) is left out with a warning, and so are processes that are there
    twice; any other malformed line is an error that names it.

    Args:
        lines: with their newlines.
        name: of the source, for messages.

    Raises:
        BadRecordFile: a malformed line, or no record at all.
    """
    records: list[Record] = []
    warnings: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(from_line(line))
        except BadRecordFile as error:
            if records and not line.endswith("\n") and error.message.startswith("not JSON"):
                warnings.append(f"{name}: line {number} is cut off and was left out")
                break
            raise BadRecordFile(f"{name}, line {number}: {error.message}", error.remedy) from error
    if not records:
        raise BadRecordFile(f"{name} holds no records", _REMEDY)
    kept = without_repeats(records)
    if repeats := len(records) - len(kept):
        warnings.append(f"{name}: {repeats} records repeat a process of their session and cell and were left out")
    bare = sum(record.environment is None for record in kept)
    if bare:
        warnings.append(f"{name}: {bare} of {len(kept)} records do not describe their machine")
    return RecordFile(kept, tuple(warnings))


def without_repeats(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records, the first of each process: one that is there twice would count as two replicates."""
    found: dict[tuple[str, str, str], Record] = {}
    for record in records:
        found.setdefault((record.session, record.cell.key, str(record.process)), record)
    return tuple(found.values())


def read_file(path: Path) -> RecordFile:
    """Records of a file.

    Raises:
        BadRecordFile: missing, unreadable, not UTF-8 text, or as `read_lines`.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            return read_lines(stream, str(path))
    except UnicodeDecodeError as error:
        raise BadRecordFile(f"{path} is not UTF-8 text", _REMEDY) from error
    except OSError as error:
        raise BadRecordFile(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error


def write_lines(records: Iterable[Record], stream: TextIO) -> int:
    """Writes records as JSON Lines; returns how many."""
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the count is the result
        stream.write(to_line(record) + "\n")
    stream.flush()
    return count
