"""Taking turns: two gpugaps on one machine never time steps at the same moment."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HELD = "GPUGAP_TURN_HELD"
"""Variable that measured processes find: their parent holds the lock for them, and they must not wait for it."""


@contextmanager
def my_turn(on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the machine's measuring lock; asleep in the kernel until it is free.

    Args:
        on_wait: called once if another gpugap of this user is measuring.
    """
    if HELD in os.environ:
        yield
        return
    path = Path(tempfile.gettempdir()) / f"gpugap-{os.getuid()}.lock"
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
