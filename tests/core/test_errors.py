"""The exception tree drawn in its docstring is the real one."""

from __future__ import annotations

import re

import pytest

from gpugap.core import errors
from gpugap.core.errors import BadValue, GpugapError, MissingExtra, OutOfMemory, UnknownName, error_of

LINE = re.compile(r"^(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)\s+(?P<code>[a-z-]+)\s+(?P<exit>\d+|exit)$")


def drawn() -> dict[str, tuple[str | None, str, int | None]]:
    """Name to parent, code and exit code, as the docstring says."""
    found: dict[str, tuple[str | None, str, int | None]] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        match = LINE.match(line.removeprefix("    "))
        if match:
            depth = len(match["branch"]) // 4
            above[depth:] = [match["name"]]
            parent = above[depth - 1] if depth else None
            number = None if match["exit"] == "exit" else int(match["exit"])
            found[match["name"]] = (parent, match["code"], number)
    return found


def real() -> dict[str, type[GpugapError]]:
    found, queue = {}, [GpugapError]
    while queue:
        kind = queue.pop()
        found[kind.__name__] = kind
        queue += [below for below in kind.__subclasses__() if below.__module__ == errors.__name__]
    return found


def test_the_tree_in_the_docstring_is_the_real_one():
    assert set(drawn()) == set(real())
    assert len(drawn()) >= 16
    for name, (parent, code, number) in drawn().items():
        kind = real()[name]
        if parent is None:
            assert kind is GpugapError
            continue
        assert kind.__bases__ == (real()[parent],)
        assert (kind.code, kind.exit_code) == (code, number)


def test_every_error_is_documented_and_every_code_is_its_own():
    assert all(kind.__doc__ and kind.__doc__ != Exception.__doc__ for kind in real().values())
    codes = [kind.code for kind in real().values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("OutOfMemory", 1),
        ("UsageError", 2),
        ("MissingExtra", 2),
        ("BadRecordFile", 2),
        ("StoreWriteFailed", 2),
        ("Unsupported", 3),
        ("MeasurementError", 4),
        ("Interrupted", 130),
    ],
)
def test_exit_codes(name: str, number: int):
    assert real()[name].exit_code == number


def test_cause_and_remedy_are_one_line_each():
    error = GpugapError("it\n broke   down", "mend\n\tit")
    assert (error.message, error.remedy) == ("it broke down", "mend it")
    assert str(error) == "it broke down - mend it"
    assert str(GpugapError("it broke")) == "it broke"


def test_an_unknown_name_lists_the_nearest():
    error = UnknownName("workload", "resnet81", ["conv6@32", "resnet18@32", "resnet18@224"])
    assert "'resnet81'" in error.message
    assert "resnet18@32" in error.remedy
    assert "conv6" not in error.remedy


def test_a_name_near_nothing_lists_all():
    assert UnknownName("mode", "zzz", ["train", "inference"]).remedy == "known: inference, train"
    assert UnknownName("mode", "zzz", []).remedy == "known: none here"


def test_a_missing_extra_says_what_to_install():
    error = MissingExtra("torch", "torch")
    assert str(error) == "torch is not installed - pip install 'gpugap[torch]'"
    assert error.exit_code == 2


@pytest.mark.parametrize("kind", sorted(real().values(), key=lambda kind: kind.__name__), ids=lambda kind: kind.code)
def test_an_error_kept_in_a_record_comes_back(kind: type[GpugapError]):
    error = error_of(kind.code, "it broke", "mend it")
    assert type(error) is kind
    assert str(error) == "it broke - mend it"


def test_an_unknown_code_is_a_failed_measurement():
    assert error_of("of-tomorrow", "it broke", "").exit_code == 4


def test_branches_catch_their_leaves():
    with pytest.raises(errors.UsageError):
        raise BadValue("x")
    assert not issubclass(OutOfMemory, errors.MeasurementError)
