"""Predicted against measured: one mark a whole step, on both sides of the line on which it should lie."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from gpugap.report import figures
from gpugap.report.drawing import draw_free
from gpugap.report.marks import SMALL, Marks, Shape, Style
from gpugap.report.markup import Html
from gpugap.report.plane import TO, Plane, around
from gpugap.study.scoring.predicting import Scored

_HEIGHT, _MOST = 420, 400
_OFF = 1.25
"""Dashed lines: a quarter more than measured, and as much less."""
_LINE: Style = {"stroke": "var(--muted)", "stroke_width": 1.2}
_DASHED: Style = {"stroke": "var(--muted)", "stroke_width": 1, "stroke_dasharray": "2 3"}
_KINDS: tuple[tuple[str, str, str, Shape, str], ...] = (
    ("image models, inference", "images", "inference", "circle", "var(--predicted)"),
    ("image models, training", "images", "training", "circle", "var(--published)"),
    ("transformers, inference", "models", "inference", "diamond", "var(--measured)"),
    ("transformers, training", "models", "training", "diamond", "var(--good)"),
)
"""Name, kind of table, phase, shape and color."""


def scatter(scored: Sequence[Scored], name: str) -> Html | None:
    """Whole steps, predicted against measured; None where there are none.

    Args:
        scored: cases; at most `_MOST` of each kind are drawn, evenly taken.
        name: unique on the page.

    Raises:
        MissingExtra: Altair or vl-convert is not installed.
    """
    groups = [(kind, _points(scored, kind[1], kind[2])) for kind in _KINDS]
    groups = [(kind, points) for kind, points in groups if points]
    if not groups:
        return None
    values = [value for _, points in groups for point in points for value in point]
    plane = Plane(around(values), around(values), _HEIGHT)
    marks = [
        *plane.axes(("measured step time", "predicted"), (figures.time_tick, figures.time_tick)),
        *_lines(plane),
    ]
    counts = []
    for place, (kind, points) in enumerate(groups):
        title, _, _, shape, color = kind
        style: Style = {"fill": color, "fill_opacity": 0.15, "stroke": color, "stroke_width": 0.9}
        marks.append(Marks(shape, [{"x": plane.across(x), "y": plane.down(y)} for x, y in points], style, radius=3.2))
        y = 22.0 + 20 * place
        marks.append(Marks(shape, [{"x": TO + 20, "y": y}], style, radius=4))
        marks.append(Marks("text", [{"y": y, "text": title}], SMALL, at=TO + 32, limit=160))
        counts.append(f"{title}: {len(points)}")
    return draw_free(marks, _HEIGHT, name, f"Predicted against measured step times. {'; '.join(counts)}")


def _points(scored: Sequence[Scored], table: str, phase: str) -> list[tuple[float, float]]:
    found = [
        (one.case.measured_s, one.answers["model"].value_s)
        for one in scored
        if (one.case.table, one.case.phase) == (table, phase) and one.case.measured_s and "model" in one.answers
    ]
    return found[:: -(-len(found) // _MOST)] if found else []


def _lines(plane: Plane) -> list[Marks]:
    low, high = plane.x
    rows = {
        "same": [(low, low), (high, high)],
        "above": [(low, low * _OFF), (high / _OFF, high)],
        "below": [(low * _OFF, low), (high, high / _OFF)],
    }
    return [
        Marks("line", plane.line(points, name), _LINE if name == "same" else _DASHED) for name, points in rows.items()
    ]


def standalone(plot: Html) -> str:
    """A plot as a file of its own, with the page's colors, light and dark."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    colors = style.partition("* {")[0]
    head, _, rest = plot.text.partition(">")
    return f"{head}><style>{colors}svg {{ background: var(--bg); }}</style>{rest}\n"
