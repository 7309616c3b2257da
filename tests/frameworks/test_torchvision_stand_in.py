"""torchvision that is absent, broken or there: what imports it works, and nothing fake is left behind."""

from __future__ import annotations

import importlib
import sys

import pytest

pytest.importorskip("torch")

from gpugap.frameworks.torch.zoo import torchvision as stand_in

pytestmark = pytest.mark.torch


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package that imports torchvision as timm does, and a torchvision of the given code beside it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def make(torchvision: str | None):
        (tmp_path / "needs_vision.py").write_text(
            "from torchvision.ops.misc import FrozenBatchNorm2d\n"
            "import torchvision.transforms as transforms\n"
            "from torchvision.transforms.functional import InterpolationMode\n"
            "MODES = {InterpolationMode.NEAREST: 1, InterpolationMode.BICUBIC: 2}\n"
            "class Crop(transforms.CenterCrop): ...\n"
        )
        if torchvision is not None:
            (tmp_path / "torchvision").mkdir()
            (tmp_path / "torchvision" / "__init__.py").write_text(torchvision)
        importlib.invalidate_caches()

    yield make
    sys.modules.pop("needs_vision", None)


@pytest.mark.parametrize(
    "torchvision", ["raise RuntimeError('operator torchvision::nms does not exist')", "import gone"]
)
def test_a_stand_in_for_what_cannot_be_imported(package, torchvision):
    package(torchvision)
    with stand_in.torchvision():
        found = importlib.import_module("needs_vision")
    assert isinstance(found.FrozenBatchNorm2d, type)
    assert len(found.MODES) == 2
    assert not isinstance(object(), found.FrozenBatchNorm2d)
    assert "torchvision" not in sys.modules
    with pytest.raises((ImportError, RuntimeError)):
        importlib.import_module("torchvision")


def test_the_real_one_stays(package):
    package("REAL = 1")
    with stand_in.torchvision():
        import torchvision

        assert torchvision.REAL == 1
    assert "torchvision" in sys.modules
    del sys.modules["torchvision"]
