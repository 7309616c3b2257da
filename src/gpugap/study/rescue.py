"""When the database cannot be written, records go to a file that can be imported later."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gpugap.core.record import Record
from gpugap.store.exchange import write_lines


def rescue(records: Sequence[Record]) -> Path | None:
    """Writes records to the first place that takes them: this folder, the temporary folder, the home folder.

    Returns:
        The file, or None when no place takes them.
    """
    name = f"gpugap-rescue-{records[0].session}.jsonl"
    for place in (Path.cwd, lambda: Path(tempfile.gettempdir()), Path.home):
        try:
            return _write(place() / name, records)
        except (OSError, RuntimeError):  # full, read-only, deleted, or no home
            continue
    return None


def _write(path: Path, records: Sequence[Record]) -> Path:
    """Writes beside the file and renames, so that a failure leaves an earlier rescue as it was."""
    beside = path.with_suffix(".part")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            write_lines(records, stream)
            os.fsync(stream.fileno())
        return beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
