"""Letters that a terminal or a file cannot hold: written as plain ones, never an error."""

from __future__ import annotations

import codecs
import io
import unicodedata
from typing import TextIO

_NAME = "gpugap-plain"
_PLAIN = {
    "─": "-",
    "━": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "→": ">",
    "×": "x",
    "≈": "~",
    "·": ".",
    "±": "+-",
    "µ": "u",
    "μ": "u",
    "•": "*",
    "’": "'",
    "²": "2",
    "³": "3",
}
"""All but one as wide as what they stand for, so that columns stay columns."""


def forgive(stream: TextIO) -> None:
    """Makes a stream of any encoding take every text, with plain letters for those it has not.

    ``LC_ALL=C``, ``PYTHONIOENCODING`` and old consoles have encodings without ``×`` or ``–``, and a file's name may
    hold bytes that are no letters in any.

    Args:
        stream: standard output or standard error; one that is not backed by bytes stays as it is.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape", "backslashreplace"):
        codecs.register_error(_NAME, _written)
        stream.reconfigure(errors=_NAME)


def _written(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    if letter in _PLAIN:
        return _PLAIN[letter]
    if unicodedata.category(letter) == "Zs":
        return " "
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base.isascii() else "?"
