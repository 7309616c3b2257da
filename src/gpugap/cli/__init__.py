"""One file a verb: reads the command line, prints, exits."""

from __future__ import annotations


def main() -> None:
    """Entry point of the ``gpugap`` command."""
    from gpugap.cli.app import run

    run()
