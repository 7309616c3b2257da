"""Waiting for JAX, which launches work behind the host's back on every device, the CPU included."""

from __future__ import annotations

from typing import Any

import jax


class Fence:
    """Waits for what was launched last.

    Attributes:
        last: arrays that are ready when it is done; None when nobody knows them, and all arrays are waited for.
    """

    def __init__(self) -> None:
        self.last: Any = None

    def wait(self) -> None:
        """Returns when the work is done."""
        jax.block_until_ready(jax.live_arrays() if self.last is None else self.last)
