"""Shapes of what a record's objects hold, as far as something reads it; what nothing reads may be anything.

A line is checked where it comes in: one that is not must never break a table, an export or a page later on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

_Number = StrictFloat | StrictInt
_Size = Annotated[_Number, Field(ge=0)]
_Count = Annotated[StrictInt, Field(ge=0)]
_Times = list[_Size] | None


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class Environment(_Shape):
    """The machine."""

    machine: StrictStr | None = None
    cpu: dict[str, Any] | None = None
    gpus: list[dict[str, Any]] | None = None
    devices: list[dict[str, Any]] | None = None
    versions: dict[str, Any] | None = None


class Phases(_Shape):
    """Seconds of a process's phases."""

    import_s: _Size | None = None
    build_s: _Size | None = None
    first_step_s: _Size | None = None


class Memory(_Shape):
    """Peaks."""

    peak_rss_bytes: _Size | None = None
    peak_allocated_bytes: _Size | None = None
    peak_reserved_bytes: _Size | None = None


class Energy(_Shape):
    """Energy of some steps."""

    energy_j: _Size | None = None
    window_s: _Size | None = None
    steps: _Count | None = None


class Settings(_Shape):
    """What was read back."""

    inductor_cache: dict[str, Any] | None = None


class Guards(_Shape):
    """What may have disturbed a process."""

    tags: list[StrictStr] = []


class Details(_Shape):
    """A look inside a step."""

    phases_s: dict[str, list[_Size]] = {}
    copy_s: _Times = None
    loading_s: _Times = None
    pipeline_step_time_s: _Times = None
    kernels: dict[str, Any] | None = None


class Accuracy(_Shape):
    """A training to a target."""

    target: Annotated[_Number, Field(gt=0, le=1)]
    reached: StrictBool
    time_s: _Size


class _Check(_Shape):
    precision: StrictStr
    mode: StrictStr
    group: StrictStr
    tensor: StrictStr
    error: _Size | None
    limit: Annotated[_Number, Field(gt=0)]
    passed: StrictBool

    @model_validator(mode="after")
    def _is_told(self) -> _Check:
        if self.passed and self.error is None:
            raise ValueError("a check that passed has an error")
        return self


class Parity(_Shape):
    """A check against a reference."""

    reference: dict[str, Any] | None = None
    checks: list[_Check] | None = None


def shaped(model: type[BaseModel]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A validator that leaves an object as it is, and refuses one of another shape.

    Args:
        model: the shape.
    """

    def check(found: dict[str, Any]) -> dict[str, Any]:
        try:
            model.model_validate(found)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{where}: {first['msg']}") from error
        return found

    return check
