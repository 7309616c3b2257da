"""Nobody imports from a higher floor or from another room on the same floor."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpugap

HOUSE = Path(gpugap.__file__).parent
FLOORS = {
    "core": 0,
    "workloads": 1,
    "stats": 1,
    "catalog": 1,
    "store": 1,
    "frameworks": 2,
    "sensors": 2,
    "measure": 3,
    "predict": 3,
    "explain": 4,
    "trends": 4,
    "plan": 5,
    "tune": 5,
    "share": 5,
    "study": 6,
    "report": 7,
    "cli": 8,
    "web": 8,
}
ROOF = "the package itself"


def imported_modules(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module a file imports anywhere: at the top, in functions, under TYPE_CHECKING, by `import_module`.

    Args:
        tree: the parsed file.
        package: the dotted package the file lies in, for relative imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            if base == "gpugap":
                yield from (f"gpugap.{alias.name}" for alias in node.names)
            else:
                yield base
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def violations(source: str, room: str, package: str = "gpugap") -> list[str]:
    """What is wrong with the imports of a file in a room."""
    found = []
    for module in imported_modules(ast.parse(source), package):
        top, _, rest = module.partition(".")
        if top != "gpugap":
            if room == "core" and top not in sys.stdlib_module_names:
                found.append(f"core imports {module}")
            continue
        target = rest.split(".")[0]
        if target not in FLOORS:
            found.append(f"{room} imports {module}: {ROOF}")
        elif target != room and FLOORS[target] >= FLOORS[room]:
            found.append(f"{room} (floor {FLOORS[room]}) imports {module} (floor {FLOORS[target]})")
    return found


def files() -> list[Path]:
    return sorted(path for path in HOUSE.rglob("*.py") if path.parent != HOUSE)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_upward_or_sideways_import(path: Path):
    parts = path.relative_to(HOUSE).parts
    package = ".".join(("gpugap", *parts[:-1]))
    assert violations(path.read_text(encoding="utf-8"), parts[0], package) == []


def test_every_room_has_a_floor():
    rooms = {path.relative_to(HOUSE).parts[0] for path in files()}
    assert rooms <= FLOORS.keys()
    assert {"core", "workloads", "stats", "catalog", "store", "frameworks", "sensors", "measure"} <= rooms


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("core", "import numpy"),
        ("core", "from gpugap.stats.compare import MARGIN"),
        ("core", "def f():\n    import torch"),
        ("stats", "from gpugap.store.database import Store"),
        ("store", "import gpugap.catalog.published"),
        ("frameworks", "from gpugap.sensors import meter_for"),
        ("sensors", "def f():\n    from gpugap.frameworks import load"),
        ("measure", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gpugap.study import session"),
        ("explain", "from gpugap import report"),
        ("study", "import gpugap"),
        ("study", "from gpugap import __version__"),
        ("stats", "import importlib\nimportlib.import_module('gpugap.measure.plan')"),
        ("stats", "from importlib import import_module\nimport_module('gpugap.cli')"),
        ("cli", "from gpugap.web import app"),
    ],
)
def test_the_checker_catches_a_bad_edge(room: str, source: str):
    assert len(violations(source, room)) == 1


def test_the_checker_resolves_relative_imports():
    assert violations("from ..store import database", "stats", "gpugap.stats")
    assert violations("from ...measure import plan", "frameworks", "gpugap.frameworks.torch")
    assert violations("from . import settings", "frameworks", "gpugap.frameworks.torch") == []
    assert violations("from ..protocol import Clock", "frameworks", "gpugap.frameworks.torch") == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("core", "from __future__ import annotations\nimport json\nfrom gpugap.core.cell import Cell"),
        ("stats", "import numpy\nfrom gpugap.core.estimate import Estimate"),
        ("cli", "from gpugap.study import session\nfrom gpugap.report import page\nfrom gpugap.core import units"),
        ("explain", "from gpugap import core, measure as m"),
        ("study", "x = 'gpugap.cli'"),
    ],
)
def test_the_checker_lets_good_edges_pass(room: str, source: str):
    assert violations(source, room) == []
