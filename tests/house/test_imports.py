"""What is imported when: a first line that answers at once, and the public names."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys

import pytest

import gpugap

HEAVY = {
    "torch",
    "tensorflow",
    "keras",
    "jax",
    "flax",
    "sklearn",
    "altair",
    "sqlalchemy",
    "pandas",
    "scipy",
    "matplotlib",
    "PIL",
}
PUBLIC = [
    "Cell",
    "Comparison",
    "Estimate",
    "GpugapError",
    "Measurement",
    "Record",
    "Step",
    "__version__",
    "compare",
    "measure",
]


def loaded_by(code: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter after the code, whatever its exit status."""
    script = f"import json, sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
    script += "print('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(answer.stdout.splitlines()[-1]))


def test_import_gpugap_is_light():
    loaded = loaded_by("import gpugap")
    assert "gpugap" in loaded
    assert not loaded & (HEAVY | {"numpy", "pydantic", "rich", "typer"})


def test_the_check_of_loaded_modules_can_fail():
    assert loaded_by("import scipy.special") & HEAVY == {"scipy"}


def test_help_loads_nothing_heavy():
    if not hasattr(importlib.import_module("gpugap.cli"), "main"):
        pytest.skip("gpugap.cli has no main yet")
    loaded = loaded_by("sys.argv = ['gpugap', '--help']; from gpugap.cli import main; main()")
    assert "gpugap" in loaded
    assert not loaded & HEAVY


def test_public_names():
    assert gpugap.__all__ == PUBLIC
    assert dir(gpugap) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_loads(name: str):
    if name in ("Measurement", "compare", "measure") and importlib.util.find_spec("gpugap.study.api") is None:
        pytest.skip("gpugap.study.api is not there yet")
    assert getattr(gpugap, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        gpugap.no_such_name  # noqa: B018 - the access is the test


def test_the_package_is_typed():
    assert importlib.util.find_spec("gpugap").submodule_search_locations
    from importlib import resources

    assert resources.files("gpugap").joinpath("py.typed").is_file()
