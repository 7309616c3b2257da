"""What does a GPU change for this piece of deep-learning work, and how do I close the gap.

Names are loaded when they are first used, so ``import gpugap`` imports neither a framework nor a heavy library.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpugap.core.cell import Cell as Cell
    from gpugap.core.errors import GpugapError as GpugapError
    from gpugap.core.estimate import Estimate as Estimate
    from gpugap.core.record import Record as Record
    from gpugap.core.step import Step as Step
    from gpugap.core.verdict import Comparison as Comparison
    from gpugap.core.version import __version__ as __version__
    from gpugap.study.access import Access as Access
    from gpugap.study.access import access as access
    from gpugap.study.api import Measurement as Measurement
    from gpugap.study.api import compare as compare
    from gpugap.study.api import measure as measure
    from gpugap.study.fit import Fits as Fits
    from gpugap.study.fit import fit as fit
    from gpugap.study.fit import step as step
    from gpugap.study.forecasts import Forecasts as Forecasts
    from gpugap.study.plan import plan as plan
    from gpugap.study.predict import predict as predict
    from gpugap.trends.api import trends as trends
    from gpugap.tune.api import tune as tune
    from gpugap.tune.result import Tuned as Tuned

_HOMES = {
    "Access": "gpugap.study.access",
    "Cell": "gpugap.core.cell",
    "Comparison": "gpugap.core.verdict",
    "Estimate": "gpugap.core.estimate",
    "Fits": "gpugap.study.fit",
    "Forecasts": "gpugap.study.forecasts",
    "GpugapError": "gpugap.core.errors",
    "Measurement": "gpugap.study.api",
    "Record": "gpugap.core.record",
    "Step": "gpugap.core.step",
    "Tuned": "gpugap.tune.result",
    "__version__": "gpugap.core.version",
    "access": "gpugap.study.access",
    "compare": "gpugap.study.api",
    "fit": "gpugap.study.fit",
    "measure": "gpugap.study.api",
    "plan": "gpugap.study.plan",
    "predict": "gpugap.study.predict",
    "step": "gpugap.study.fit",
    "trends": "gpugap.trends.api",
    "tune": "gpugap.tune.api",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - one list of public names is enough


class _Package(ModuleType):
    """Keeps the public names when rooms of the same name (`gpugap.measure`) are imported as submodules."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gpugap' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
