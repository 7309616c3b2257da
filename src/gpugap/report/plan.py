"""What a run costs and takes: options by cost and time, buying against renting, the sessions of a free notebook."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gpugap.core.units import significant
from gpugap.plan import rows
from gpugap.plan.api import Plan
from gpugap.plan.option import Option
from gpugap.report import figures
from gpugap.report.charts import HOLLOW, Line, extent, rows_chart
from gpugap.report.drawing import LEFT, WIDTH, axis_around, draw_free, ticks
from gpugap.report.marks import LARGE, SMALL, Marks, Style
from gpugap.report.markup import Content, Group, Html, figure, items, joined, kind_badge, table, tag, two_lines
from gpugap.report.plane import FROM, TO, Plane, apart, around, clock, clock_ticks
from gpugap.stats.propagation import scaled

_HEIGHT = 380
_RADII = (7.0, 16.0)
"""Of the least and the most carbon; area grows with the logarithm."""
_MEASURED: Style = {"fill": "var(--measured)", "stroke": "var(--bg)", "stroke_width": 1.2, "fill_opacity": 0.8}
_NUMBER: Style = {"font_size": 10, "fill": "var(--fg)", "text_anchor": "middle"}
_BUSY: Style = {"fill": "var(--predicted)", "fill_opacity": 0.5}
_QUIET: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
_WHISKER: Style = {"stroke": "var(--predicted)", "stroke_width": 1, "stroke_opacity": 0.45}
_MOST_WEEKS, _WEEK, _DAY_S = 12, 18, 86400.0
_ENDS = ("run takes", "cost USD", "kg CO2e")
_FREE = 22.0
"""What costs nothing stands so many pixels right of the axis's left end."""
_DAYS = ("day 1", "2", "3", "4", "5", "6", "7")
_PARETO = (
    ": one circle an option that no other beats in cost, time and carbon at once, with the number of its row; its area "
    "grows with the logarithm of its carbon. Hollow: from a predicted step time; solid: from a measured one. Lines "
    "reach over both intervals. What costs nothing stands at 0, before the axis begins. Prices are of the date in "
    "their row."
)
_EVEN = (
    ": busy hours, as a share of the board's life, from which a board, sold again in the end, and a desktop around it "
    "cost less than renting the same board on demand. Right of 100 %, the dashed line, renting stays cheaper for its "
    "whole life. Drawn are the boards that pay soonest."
)
_CALENDAR = (
    ": sessions of the likely case, one line a week, from the day the run begins; limits as the service tells them."
)


def plan_section(plans: Sequence[Plan]) -> Html:
    """Plots and tables of plans; nothing without one."""
    parts: list[Html] = []
    for place, one in enumerate(plans):
        run = one.ground.run
        if len(plans) > 1:
            parts.append(tag("h3", f"{one.workload}, batch {run.batch}, {run.epochs:g} × {run.samples} samples"))
        parts.append(items([joined([tag("b", "Read with care: "), text]) for text in rows.cautions(one)], "flags"))
        note = joined([kind_badge("predicted"), _PARETO])
        parts.append(figure([_pareto(one, f"pareto{place}")], _options(one), note))
        parts.append(
            _table("What changes the choice, one at a time", rows.SHIFT_HEADER, rows.shift_rows(one.shifts, one.chosen))
        )
        even = [found for found in one.break_even if found.utilization.value is not None]
        if even:
            below = _even_table(one)
            parts.append(figure(_break_even(one, f"even{place}"), below, joined([kind_badge("predicted"), _EVEN])))
        free = next((found for found in (one.chosen, *one.pareto, *one.options) if found.sessions), None)
        if free is not None:
            below = _table(
                f"Sessions on {free.where}, {free.worker.name}", rows.CALENDAR_HEADER, rows.calendar_rows(free)
            )
            note = joined([kind_badge("predicted"), _CALENDAR])
            parts.append(figure([_calendar(free, f"calendar{place}")], below, note))
        if one.excluded:
            parts.append(_table("No options, and why", rows.OUT_HEADER, rows.out_rows(one.excluded)))
        parts.append(items([joined([tag("b", f"{topic}: "), said]) for topic, said in one.assumed], "basis"))
    return joined(parts, Html("\n"))


def plan_lead(plans: Sequence[Plan]) -> Html:
    """The answer of a page that is about a plan alone."""
    one = plans[0]
    chosen = one.chosen
    words = {"cost": "Cheapest", "time": "Fastest", "carbon": "Least carbon"}
    where = f": {chosen.worker.name}, {chosen.kind}, {chosen.where}; "
    told = [
        tag("b", text, css="predicted") for text in (rows.time_text(chosen.time), f"USD {rows.money_text(chosen.cost)}")
    ]
    last = f". Not run yet: from a {chosen.worker.step_time.kind} step time."
    return joined([tag("strong", words[one.ground.wish.goal]), where, joined(told, ", "), last])


def _table(caption: str, header: Sequence[str], lines: Sequence[rows.Row]) -> Html:
    return table(caption, [head[:1].upper() + head[1:] for head in header], [Group("", [list(line) for line in lines])])


def _options(plan: Plan) -> Html:
    """Every number with its ends under it, its step's kind and domain, and the date of its price."""
    lines: list[list[Content]] = []
    for one, row in zip(plan.pareto, rows.plan_rows(plan.pareto, plan.chosen), strict=True):
        told = dict(zip(rows.PLAN_HEADER, row, strict=True))
        ends = [two_lines(told[name], told[below]) for name, (_, below) in rows.PLAN_STACKS.items() if name in _ENDS]
        kind = two_lines(kind_badge(one.worker.step_time.kind), one.worker.domain or "")
        name = two_lines(f"{told['no']} {told['device']}", f"{told['what']}, {told['where']}")
        lines.append([name, told["step"], *ends, told["kWh"], told["price of"], kind])
    caption = (
        f"Options that no other beats; → has the least {plan.ground.wish.goal}. Under each number its range, from what "
        "is assumed; it claims no level."
    )
    head = ("Option", "Step", "Run takes", "Cost, USD", "kg CO2e", "kWh", "Price of", "Kind of the step")
    return table(caption, head, [Group("", lines)], "tnnnnntt")


def _even_table(plan: Plan) -> Html:
    """Boards that pay soonest first."""
    lines: list[list[Content]] = [list(row) for row in rows.even_rows(rows.soonest(plan.break_even))]
    head = [name[:1].upper() + name[1:] for name in rows.EVEN_HEADER]
    told = ": buying against renting, those that pay soonest first"
    return table(joined([kind_badge("predicted"), told]), head, [Group("", lines)], "tnnnn")


def _pareto(plan: Plan, name: str) -> Html:
    shown = [one for one in plan.pareto if one.cost.value is not None and one.time.value]
    paid = [end for one in shown for end in (one.cost.low, one.cost.value, one.cost.high) if end]
    spent = [end for one in shown for end in (one.time.low, one.time.value, one.time.high) if end]
    across = around(paid or [0.1, 10.0], 1.4)
    plane = Plane((across[0] / 2.5, across[1]), around(spent or [1.0, 10.0], 1.3), _HEIGHT)
    free = any(one.cost.value == 0 for one in shown)
    columns = [cost for cost in ticks(*plane.x, TO - FROM) if not free or plane.across(cost) > FROM + 3 * _FREE]
    levels = clock_ticks(*plane.y, plane.tall)
    marks = [*plane.axes(("cost, USD", "time from begin to end"), (figures.tick, clock), columns, levels)]
    if free:
        marks.append(Marks("text", [{"y": plane.down(plane.y[0]) + 15, "text": "0"}], _QUIET, at=FROM + _FREE))
    numbered = [(number, one) for number, one in enumerate(plan.pareto, 1) if one in shown]
    for _, one in numbered:
        marks += _circle(plane, one, plan)
    for number, one in numbered:
        marks.append(Marks("text", [{**_place(plane, one), "text": str(number)}], _NUMBER))
    tops = [plane.down(one.time.value or 1) for _, one in numbered]
    for (number, one), top in zip(numbered, apart(tops, 15.0), strict=True):
        text = f"{number} {one.worker.name}, {one.kind}"
        marks.append(
            Marks("text", [{"y": top, "text": text}], LARGE if one is plan.chosen else SMALL, at=TO + 8, limit=188)
        )
    told = "; ".join(
        f"{number} {one.id}: USD {rows.money_text(one.cost)}, {rows.time_text(one.time)}" for number, one in numbered
    )
    return draw_free(marks, _HEIGHT, name, f"Cost and time of {plan.workload}. {told}")


def _place(plane: Plane, one: Option) -> dict[str, float]:
    across = plane.across(one.cost.value) if one.cost.value else FROM + _FREE
    return {"x": across, "y": plane.down(one.time.value or plane.y[0])}


def _circle(plane: Plane, one: Option, plan: Plan) -> Iterator[Marks]:
    x, y = _place(plane, one).values()
    if one.cost.low and one.cost.high:
        yield Marks("rule", [{"x": plane.across(one.cost.low), "x2": plane.across(one.cost.high), "y": y}], _WHISKER)
    if one.time.low and one.time.high:
        yield Marks("rule", [{"x": x, "y": plane.down(one.time.high), "y2": plane.down(one.time.low)}], _WHISKER)
    style = _MEASURED if one.worker.step_time.kind == "measured" else HOLLOW
    yield Marks("circle", [{"x": x, "y": y}], style, radius=_radius(one, plan))


def _radius(one: Option, plan: Plan) -> float:
    known = [other.carbon.value for other in plan.pareto if other.carbon.value]
    if not one.carbon.value or len(known) < 2 or min(known) == max(known):
        return _RADII[0] + 3
    share = math.log(one.carbon.value / min(known)) / math.log(max(known) / min(known))
    return round(math.sqrt(_RADII[0] ** 2 + share * (_RADII[1] ** 2 - _RADII[0] ** 2)), 1)


def _break_even(plan: Plan, name: str) -> list[Html]:
    lines = [
        Line(
            "Owning is cheaper from",
            one.name,
            f"rent USD {rows.money_text(one.rent)} an hour",
            scaled(one.utilization, 100.0, "%", one.utilization.method),
            "" if one.hours.value is None else f"from {significant(one.hours.value)} h",
        )
        for one in rows.first_even(plan.break_even)[0]
        if one.utilization.value is not None
    ]
    values = [100.0, *(end for line in lines for end in extent(line.estimate))]
    axis = axis_around(
        "busy hours as a share of the board's life (logarithmic axis)", values, lambda value: f"{figures.tick(value)} %"
    )
    return rows_chart(lines, axis, name, "Break-even", base=100.0)


def _calendar(option: Option, name: str) -> Html:
    weeks = min(_MOST_WEEKS, option.sessions[-1].day // 7 + 1)
    height = 30 + _WEEK * weeks
    marks: list[Marks] = []
    day_width = WIDTH / 7
    heads = [{"x": LEFT + day_width * (day + 0.5), "y": 12, "text": text} for day, text in enumerate(_DAYS)]
    marks.append(Marks("text", heads, _QUIET))
    grid = [{"x": LEFT + day_width * day, "y": 22, "y2": height - 4} for day in range(8)]
    marks.append(Marks("rule", grid, {"stroke": "var(--line)"}))
    bars, used = [], dict[int, float]()
    for one in option.sessions:
        week, begin = one.day // 7, used.get(one.day, 0.0)
        used[one.day] = begin + one.busy_s
        if week < weeks:
            left = LEFT + day_width * (one.day % 7)
            ends = {
                "x": left + day_width * begin / _DAY_S,
                "x2": left + day_width * (begin + one.busy_s) / _DAY_S - 0.8,
            }
            bars.append({**ends, "y": 26 + _WEEK * week, "y2": 26 + _WEEK * week + _WEEK - 6})
    marks.append(Marks("rect", bars, _BUSY))
    for week in range(weeks):
        marks.append(
            Marks("text", [{"y": 26 + _WEEK * week + 6, "text": f"week {week + 1}"}], SMALL, at=LEFT - 60, limit=54)
        )
    left_out = option.sessions[-1].day // 7 + 1 - weeks
    told = figures.counted(len(option.sessions), "session") + (
        f"; {left_out} more weeks are not drawn" if left_out > 0 else ""
    )
    marks.append(Marks("text", [{"y": 32, "text": option.where}], LARGE, at=6, limit=LEFT - 80))
    marks.append(Marks("text", [{"y": 47, "text": told}], SMALL, at=6, limit=LEFT - 80))
    return draw_free(marks, max(height, 60), name, f"Calendar of {option.where}: {told}, {rows.time_text(option.time)}")
