"""What takes less: which changes are tried, which go together, which are kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

import gpugap as gg  # noqa: E402
from gpugap.core.errors import Unsupported  # noqa: E402
from gpugap.core.estimate import Estimate  # noqa: E402
from gpugap.core.oplist import Traced  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.predict.fit import budget  # noqa: E402
from gpugap.study import savings as module  # noqa: E402

pytestmark = pytest.mark.torch
NOTHING = Estimate(None, None, None, None, "1", "predicted", "", None)
NOW = (10, 5, 12)


class FakeTracer:
    """Knows steps by their wishes; those in `never` cannot be traced."""

    def __init__(self, optimizer: str = "AdamW (foreach)", never: tuple[str, ...] = ()) -> None:
        self._optimizer, self._never = optimizer, never

    def trace(self, wish: Wish) -> Traced:
        if set(self._never) & set(changes(wish)):
            raise Unsupported("no such form")
        return Traced(SimpleNamespace(optimizer=self._optimizer, changes=changes(wish)))


def changes(wish: Wish) -> tuple[str, ...]:
    plain = Wish(8)
    return tuple(name for name in Wish.__slots__ if name != "both" and getattr(wish, name) != getattr(plain, name))


@pytest.fixture
def tried(monkeypatch):
    """Savings of a step whose changes take (value, low, high) bytes; what is not named takes what the step takes."""

    def found(sizes: dict[tuple[str, ...], tuple[int, int, int]], tracer: FakeTracer):
        def memory(oplist, capability, *, usable=None, channels_last=False):
            ends = sizes.get(oplist.changes, NOW)
            return SimpleNamespace(device=Estimate(*map(float, ends), None, "B", "predicted", "", None))

        monkeypatch.setattr(module, "memory", memory)
        return module.savings(tracer, Wish(8), budget(9, (8, 0)), NOTHING)

    return found


def test_what_counts_is_what_is_shown(tried):
    """The likely total ranks and is printed, so it also says whether a change helps."""
    sizes = {
        ("precision",): (9, 6, 11),  # likely less, though its low end is higher
        ("optimizer",): (11, 4, 12),  # likely more, though its low end is lower
        ("checkpointing",): (8, 5, 12),
        ("accumulation",): (10, 4, 12),
    }
    found = tried(sizes, FakeTracer())
    assert [saving.name for saving in found] == ["checkpointing", "amp"]


@pytest.mark.parametrize(
    ("tracer", "asked", "words"),
    [
        (FakeTracer(), ("precision", "optimizer", "checkpointing"), "precision, checkpointing and optimizer at once"),
        (FakeTracer(never=("checkpointing",)), ("precision", "optimizer"), "of precision and optimizer at once"),
        (FakeTracer("SGD (foreach)"), ("precision", "checkpointing"), "of precision and checkpointing at once"),
        (FakeTracer("AdamW (8-bit)"), ("precision", "checkpointing"), "of precision and checkpointing at once"),
    ],
)
def test_what_can_be_traced_goes_together(tried, tracer: FakeTracer, asked: tuple[str, ...], words: str):
    (found,) = tried({asked: (3, 2, 4)}, tracer)
    assert (found.name, found.verdict) == ("together", "FITS")
    assert words in found.change


def test_one_change_alone_is_not_together(tried):
    found = tried({("precision",): (3, 2, 4)}, FakeTracer("SGD (foreach)", never=("checkpointing",)))
    assert [saving.name for saving in found] == ["amp"]


def test_a_net_without_repeated_blocks_has_its_changes_together():
    """Nothing to checkpoint: mixed precision and 8-bit state are offered at once all the same."""
    model = torch.nn.Sequential(torch.nn.Linear(2048, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 2048))
    inputs = torch.zeros(4096, 2048)
    optimizer = torch.optim.AdamW(model.parameters())
    step = gg.step(model, (inputs, inputs), loss=torch.nn.functional.mse_loss, optimizer=optimizer)
    (one,) = gg.fit(step, budget_bytes=0.5 * 2**30)
    assert one.verdict != "FITS"
    names = [saving.name for saving in one.savings]
    assert "checkpointing" not in names
    assert names.index("together") < names.index("amp")
