"""Files and functions stay small, public names are documented, nothing is swallowed."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpugap

HOUSE = Path(gpugap.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
MAX_FILE_LINES = 400
MAX_MEDIAN_LINES = 250
MAX_FUNCTION_LINES = 49
MAX_POSITIONAL = 5
Function = ast.FunctionDef | ast.AsyncFunctionDef

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def positional(function: Function, in_class: bool) -> int:
    count = len(function.args.posonlyargs) + len(function.args.args)
    static = any(getattr(decorator, "id", "") == "staticmethod" for decorator in function.decorator_list)
    return count - (in_class and not static)


def oversized(source: str) -> Iterator[str]:
    """Functions that are too long or take too many positional arguments."""
    tree = ast.parse(source)
    methods = {id(item) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{node.name} has {length} lines"
            if positional(node, id(node) in methods) > MAX_POSITIONAL:
                yield f"{node.name} takes {positional(node, id(node) in methods)} positional arguments"


def undocumented(source: str) -> Iterator[str]:
    """The module, and public functions and classes at its top level, without a docstring."""
    tree = ast.parse(source)
    if ast.get_docstring(tree) is None:
        yield "the module"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield node.name


def unexplained(source: str) -> Iterator[str]:
    """Handlers of everything that neither raise again nor say in a ``noqa`` why not."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(kind is None or getattr(kind, "id", "") in ("Exception", "BaseException") for kind in types)
            raises = isinstance(node.body[-1], ast.Raise)
            if broad and not raises and not re.search(r"# noqa: BLE001 - .{8,}", lines[node.lineno - 1]):
                yield f"line {node.lineno}"


@every_file
def test_file_is_short(path: Path):
    assert len(lines_of(path)) <= MAX_FILE_LINES


def test_median_file_is_short():
    assert statistics.median(len(lines_of(path)) for path in FILES) <= MAX_MEDIAN_LINES


@every_file
def test_functions_are_small(path: Path):
    assert list(oversized(path.read_text(encoding="utf-8"))) == []


@every_file
def test_public_names_are_documented(path: Path):
    assert list(undocumented(path.read_text(encoding="utf-8"))) == []


@every_file
def test_nothing_is_swallowed_without_a_reason(path: Path):
    assert list(unexplained(path.read_text(encoding="utf-8"))) == []


def test_no_drawer_for_everything():
    assert [path for path in FILES if path.stem in ("utils", "util", "helpers", "misc", "common")] == []


def test_every_suppression_of_a_lint_rule_names_the_rule():
    bare = [
        f"{path.relative_to(HOUSE)}:{number}"
        for path in FILES
        for number, line in enumerate(lines_of(path), start=1)
        if re.search(r"# (noqa(?!: [A-Z]+\d+)|type: ignore(?!\[))", line)
    ]
    assert bare == []


LONG = "def f():\n    '''x.'''\n" + "    a = 1\n" * 48


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (oversized, LONG, LONG[: -len("    a = 1\n")]),
        (oversized, "def f(a, b, c, d, e, g): ...", "def f(a, b, c, d, e, *, g): ..."),
        (oversized, "class A:\n  def f(self, a, b, c, d, e, g): ...", "class A:\n  def f(self, a, b, c, d, e): ..."),
        (undocumented, "'''m.'''\ndef f(): ...", "'''m.'''\ndef _f(): ..."),
        (undocumented, "x = 1", "'''m.'''\nclass A:\n  '''a.'''"),
        (unexplained, "try: ...\nexcept: ...", "try: ...\nexcept OSError: ..."),
        (unexplained, "try: ...\nexcept Exception: ...", "try: ...\nexcept Exception: ...  # noqa: BLE001 - any step"),
        (unexplained, "try: ...\nexcept Exception:\n  a = 1", "try: ...\nexcept Exception:\n  raise ValueError"),
        (unexplained, "try: ...\nexcept (OSError, BaseException): ...  # noqa: BLE001", "x = 1"),
    ],
)
def test_the_rules_can_fail(rule, bad: str, good: str):
    assert len(list(rule(bad))) == 1
    assert list(rule(good)) == []
