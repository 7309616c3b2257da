"""The exception tree: every error a user can meet, with its cause, its remedy and its exit code.

::

    GpugapError                    code               exit
    ├── UsageError                 usage              2
    │   ├── UnknownName            unknown-name       2
    │   ├── AmbiguousName          ambiguous-name     2
    │   ├── BadValue               bad-value          2
    │   └── MissingExtra           missing-extra      2
    ├── InputError                 bad-input          2
    │   ├── BadRecordFile          bad-record-file    2
    │   ├── BadStepFile            bad-step-file      2
    │   ├── CorruptData            corrupt-data       2
    │   ├── BadTable               bad-table          2
    │   └── BadSeries              bad-series         2
    ├── StoreError                 store              2
    │   ├── ForeignDatabase        foreign-database   2
    │   ├── StoreUnavailable       store-unavailable  2
    │   └── StoreWriteFailed       store-write-failed 2
    ├── Unsupported                unsupported        3
    │   ├── Offline                offline            3
    │   └── NoKernel               no-kernel          3
    ├── MeasurementError           measurement-failed 4
    │   ├── StepRaised             step-raised        4
    │   ├── StepNotFinite          not-finite         4
    │   ├── StepTimeout            timeout            4
    │   ├── Recompiled             recompiled         4
    │   ├── NotRepeatable          not-repeatable     4
    │   └── ProcessDied            process-died       4
    ├── ParityFailed               parity-failed      1
    ├── CheckFailed                check-failed       1
    ├── OutOfMemory                out-of-memory      1
    ├── Infeasible                 infeasible         1
    └── Interrupted                interrupted        130

Exit codes: 0 success; 1 does not fit in memory, no plan within budget and deadline, frameworks do not compute the
same, or a check found faults; 2 usage, missing extra or unusable input; 3 unsupported here; 4 a measurement failed or
is unstable; 130 interrupted by Ctrl-C (nothing finished is lost, the same command resumes).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

_LISTED = 20
"""So many names an error lists; more are counted."""


class GpugapError(Exception):
    """Root of all errors gpugap raises on purpose.

    Args:
        message: what went wrong and why, in one line.
        remedy: what to do about it, in one line.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.remedy = " ".join(remedy.split())

    def __str__(self) -> str:
        return f"{self.message} - {self.remedy}" if self.remedy else self.message


class UsageError(GpugapError):
    """The request itself is wrong."""

    code = "usage"


class UnknownName(UsageError):
    """A name that nothing here answers to; the remedy lists the nearest ones.

    Args:
        what: the kind of thing named, such as ``"workload"``.
        name: the name given.
        known: all names that would have been accepted.
    """

    code = "unknown-name"

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        options = sorted(set(known))
        near = difflib.get_close_matches(name.lower(), options, n=3, cutoff=0.4)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"known: {_listed(options)}"
        super().__init__(f"unknown {what} {name!r}", remedy)


class AmbiguousName(UsageError):
    """A name that several things here answer to; the remedy lists them.

    Args:
        what: the kind of thing named, such as ``"GPU"``.
        name: the name given.
        options: the names that tell them apart.
    """

    code = "ambiguous-name"

    def __init__(self, what: str, name: str, options: Iterable[str]) -> None:
        super().__init__(f"{what} {name!r} could be any of {', '.join(options)}", "say which")


class BadValue(UsageError):
    """An option or argument outside its range."""

    code = "bad-value"


class MissingExtra(UsageError):
    """An optional dependency is needed and absent.

    Args:
        what: what needs it.
        extra: the extra of this package that brings it.
    """

    code = "missing-extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed", f"pip install 'gpugap[{extra}]'")


class InputError(GpugapError):
    """A file or folder given by the user cannot be used."""

    code = "bad-input"


class BadRecordFile(InputError):
    """A record file is missing, foreign, empty or malformed."""

    code = "bad-record-file"


class BadStepFile(InputError):
    """A ``FILE.py:function`` reference does not lead to a usable step."""

    code = "bad-step-file"


class CorruptData(InputError):
    """A data folder is missing, incomplete or damaged."""

    code = "corrupt-data"


class BadTable(InputError):
    """A table of facts or prices is malformed; the message names line and column."""

    code = "bad-table"


class BadSeries(InputError):
    """Dated values to which nothing can be fitted: too few, a date twice, or no logarithm."""

    code = "bad-series"


class StoreError(GpugapError):
    """The database of records cannot be used."""

    code = "store"


class ForeignDatabase(StoreError):
    """The database belongs to another program or to a newer gpugap."""

    code = "foreign-database"


class StoreUnavailable(StoreError):
    """The database cannot be opened or read."""

    code = "store-unavailable"


class StoreWriteFailed(StoreError):
    """The database cannot be written: read-only, full disk, lost connection."""

    code = "store-write-failed"


class Unsupported(GpugapError):
    """This machine, device or framework cannot do what was asked."""

    code = "unsupported"
    exit_code = 3


class Offline(Unsupported):
    """What was asked for needs the network, and it does not answer."""

    code = "offline"


class NoKernel(Unsupported):
    """The attention kernel asked for does not run on the GPU."""

    code = "no-kernel"


class MeasurementError(GpugapError):
    """A step could not be measured."""

    code = "measurement-failed"
    exit_code = 4


class StepRaised(MeasurementError):
    """The step, or the file it stands in, raised an exception."""

    code = "step-raised"


class StepNotFinite(MeasurementError):
    """The step returned NaN or infinity."""

    code = "not-finite"


class StepTimeout(MeasurementError):
    """The process did not end in time."""

    code = "timeout"


class Recompiled(MeasurementError):
    """The framework compiled inside a window that was to be steady."""

    code = "recompiled"


class NotRepeatable(MeasurementError):
    """A step gives other results each time it is run, so nothing can be held against them."""

    code = "not-repeatable"


class ProcessDied(MeasurementError):
    """The process ended without a report."""

    code = "process-died"


class ParityFailed(GpugapError):
    """A framework does not compute what the reference computes."""

    code = "parity-failed"
    exit_code = 1


class CheckFailed(GpugapError):
    """A check of the catalog found rows that cannot be true."""

    code = "check-failed"
    exit_code = 1


class OutOfMemory(GpugapError):
    """The work does not fit in the memory of the device."""

    code = "out-of-memory"
    exit_code = 1


class Infeasible(GpugapError):
    """No plan holds what was asked for; the remedy says the nearest one."""

    code = "infeasible"
    exit_code = 1


class Interrupted(GpugapError):
    """Ctrl-C; what is finished is stored, the remedy says how to go on."""

    code = "interrupted"
    exit_code = 130


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED]) or 'none here'}{more}"


def error_of(code: str, message: str, remedy: str) -> GpugapError:
    """The error a record tells of: an instance of the leaf with that code, or a `MeasurementError`."""
    found: type[GpugapError] = MeasurementError
    classes = [GpugapError]
    while classes:
        kind = classes.pop()
        classes += kind.__subclasses__()
        if kind.code == code:
            found = kind
    error = found.__new__(found)
    GpugapError.__init__(error, message, remedy)
    return error
