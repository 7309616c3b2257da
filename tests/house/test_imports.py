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
    "Fits",
    "Forecasts",
    "GpugapError",
    "Measurement",
    "Record",
    "Step",
    "__version__",
    "compare",
    "fit",
    "measure",
    "predict",
    "step",
    "trends",
]

HOMES = {
    "Cell": "gpugap.core.cell",
    "Comparison": "gpugap.core.verdict",
    "Estimate": "gpugap.core.estimate",
    "Fits": "gpugap.study.fit",
    "Forecasts": "gpugap.study.forecasts",
    "GpugapError": "gpugap.core.errors",
    "Measurement": "gpugap.study.api",
    "Record": "gpugap.core.record",
    "Step": "gpugap.core.step",
    "__version__": "gpugap.core.version",
    "compare": "gpugap.study.api",
    "fit": "gpugap.study.fit",
    "measure": "gpugap.study.api",
    "predict": "gpugap.study.predict",
    "step": "gpugap.study.fit",
    "trends": "gpugap.trends.api",
}


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
    loaded = loaded_by("sys.argv = ['gpugap', '--help']; from gpugap.cli import main; main()")
    assert "gpugap" in loaded
    assert not loaded & HEAVY


def test_public_names():
    assert gpugap.__all__ == PUBLIC
    assert dir(gpugap) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_loads(name: str):
    home = importlib.import_module(HOMES[name])
    assert getattr(gpugap, name) is getattr(home, name)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import gpugap.measure.plan, gpugap.trends.models, gpugap.predict.fit; ",
        "gpugap.trends; ",
        "gpugap.compare; ",
    ],
)
@pytest.mark.parametrize("name", ["measure", "compare", "predict", "trends"])
def test_a_function_stays_a_function_whatever_was_imported_before(name: str, before: str):
    """The room ``gpugap.measure`` has the name of a public function, and importing it must not take its place."""
    script = f"import gpugap; {before}print(type(gpugap.{name}).__name__)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert answer.stdout.strip() == "function"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        gpugap.no_such_name  # noqa: B018 - the access is the test


def test_the_package_is_typed():
    assert importlib.util.find_spec("gpugap").submodule_search_locations
    from importlib import resources

    assert resources.files("gpugap").joinpath("py.typed").is_file()
