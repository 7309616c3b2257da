"""Defaults from ``gpugap.toml`` or ``[tool.gpugap]`` in ``pyproject.toml`` of the working folder.

Tables are verbs, keys are options: ``[measure]`` with ``batch = 64``. The command line wins over the environment
(``GPUGAP_MEASURE_BATCH``), and that over the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gpugap.core.errors import InputError


def load_config(folder: Path | None = None, groups: Mapping[str, Collection[str]] | None = None) -> dict[str, Any]:
    """Option defaults by verb; empty without a file.

    Args:
        folder: where the file lies; the working folder where None.
        groups: verbs with verbs of their own, and those; what they are named must be tables.

    Raises:
        InputError: the file is not TOML, or holds something else than tables of verbs.
    """
    folder = folder or Path.cwd()
    own, project = folder / "gpugap.toml", folder / "pyproject.toml"
    if own.is_file():
        return _tables(_read(own), own.name, groups or {})
    if project.is_file():
        table = _read(project).get("tool", {}).get("gpugap", {})
        return _tables(table, project.name, groups or {})
    return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path.name} cannot be read: {error}", "correct it or move it away") from error


def _tables(content: Any, file: str, groups: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Tables of verbs, and in those of verbs with verbs of their own.

    Raises:
        InputError: what should be a table is none.
    """
    verbs = content if isinstance(content, dict) else {"tool.gpugap": content}
    inner = {f"{verb}.{name}": table for verb, own in groups.items() for name, table in _of(verbs, verb) if name in own}
    for verb, table in {**verbs, **inner}.items():
        if not isinstance(table, dict):
            raise InputError(f"{file}: {verb} is no table", f"write [{verb}] and options below it")
    return _names(verbs)


def _of(verbs: dict[str, Any], verb: str) -> list[tuple[str, Any]]:
    table = verbs.get(verb)
    return list(table.items()) if isinstance(table, dict) else []


def _names(table: dict[str, Any]) -> dict[str, Any]:
    """Option names as the command line's functions know them: ``max-width`` is ``max_width``."""
    return {key.replace("-", "_"): _names(value) if isinstance(value, dict) else value for key, value in table.items()}
