"""When the database cannot be written, records go to a file that can be imported later."""

from __future__ import annotations

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
    for folder in (Path.cwd(), Path(tempfile.gettempdir()), Path.home()):
        path = folder / name
        try:
            with path.open("w", encoding="utf-8") as stream:
                write_lines(records, stream)
                os.fsync(stream.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            continue
        return path
    return None
