"""Options, the set worth choosing from, the choice, and what it hangs on."""

import dataclasses
import json
import math

import pytest

from gpugap.catalog import gpu, load
from gpugap.catalog.billing import billed_s, billing
from gpugap.core.errors import BadValue, Infeasible, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.plan.api import Subject, make_plan
from gpugap.plan.choice import SHIFT, best, options_of, pareto
from gpugap.plan.footprint import carbon, drift, intensity_of
from gpugap.plan.option import GOALS, KINDS, Wish
from gpugap.plan.renting import price_today
from gpugap.plan.rows import calendar_rows, cautions, even_rows, money_text, out_rows, plan_rows, shift_rows
from gpugap.plan.run import Run
from plan_samples import TODAY, cpu_worker, gpu_worker, made_plan, make_ground, seconds

SUBJECT = Subject("resnet18@32", "train", "fp32")


@pytest.fixture(scope="module")
def plan():
    return made_plan()


def test_every_kind_of_option_is_there(plan):
    assert {one.kind for one in plan} == set(KINDS)
    ids = [one.id for one in plan]
    assert len(set(ids)) == len(ids)
    assert plan["cpu fp32 default"].kind == "own"


def test_every_number_is_an_estimate_with_kind_and_interval(plan):
    for one in plan:
        for estimate in (one.time, one.busy, one.cost, one.energy, one.carbon):
            assert isinstance(estimate, Estimate)
            assert estimate.value is None or estimate.value > 0 or (one.kind == "free" and estimate is one.cost)
            assert estimate.low is not None or one.kind == "free"
        assert one.energy.kind == "predicted"


def test_costs_by_hand():
    """One hour at 2 USD, billed by the second: 2 USD; the electricity of an own board is energy times its price."""
    plan = made_plan()
    rented = next(one for one in plan if one.kind == "on-demand" and billing(one.provider))
    paid = billed_s(rented.time.value, rented.provider) / 3600 * rented.price.value
    assert rented.cost.value == pytest.approx(paid, rel=0.01)
    own = plan["rtx-3060-12gb"]
    assert own.kind == "own"
    assert own.cost.value == pytest.approx(own.energy.value / 3.6e6 * 0.2)
    kenya = load().country("KE")
    assert own.carbon.value == pytest.approx(own.energy.value / 3.6e6 * kenya.carbon_row().gco2e_per_kwh)


@pytest.mark.parametrize(
    ("provider", "used_s", "paid_s"),
    [("AWS", 10, 60), ("AWS", 61.2, 62), ("Lambda", 61, 120), ("OVHcloud", 3601, 7200), ("Nobody", 10, 3600)],
)
def test_billing(provider, used_s, paid_s):
    assert billed_s(used_s, provider) == paid_s


def test_unknown_is_never_zero():
    """Without a country own machines emit an unknown amount; without a price of electricity a range stands in."""
    plan = made_plan(country="", price=None)
    own = plan["rtx-3060-12gb"]
    assert own.carbon.value is None
    assert own.cost.value > 0
    assert own.cost.high / own.cost.low > 3
    assert "no country is given" in dict(plan.assumed)["electricity"]
    assert "unknown, never 0" in dict(plan.assumed)["carbon"]
    json.dumps(plan.to_dict(), allow_nan=False)


def test_nothing_beats_the_pareto_set_and_every_other_is_beaten():
    options, _ = options_of(make_ground())
    front = pareto(options)
    values = {one.id: [one.goal(name).value for name in GOALS] for one in options}
    for one in options:
        better = [
            other.id
            for other in options
            if other is not one
            and all(a <= b for a, b in zip(values[other.id], values[one.id], strict=True))
            and values[other.id] != values[one.id]
        ]
        assert (one in front) == (not better), one.id


def test_an_option_of_unknown_carbon_can_be_beaten_and_never_beats_a_known_one(plan):
    known = plan["rtx-3060-12gb"]
    nothing = Estimate(None, None, None, None, "gCO2e", "predicted", "x", None)
    dear = dataclasses.replace(
        known, where="b", carbon=nothing, cost=dataclasses.replace(known.cost, value=known.cost.high)
    )
    assert pareto([known, dear]) == [known]
    cheap = dataclasses.replace(dear, cost=dataclasses.replace(known.cost, value=known.cost.low))
    assert pareto([known, cheap]) == [known, cheap]


@pytest.mark.parametrize("goal", GOALS)
def test_the_chosen_one_has_the_least(goal):
    plan = made_plan(goal=goal)
    least = min(one.goal(goal).value for one in plan if one.goal(goal).value is not None)
    assert plan.chosen.goal(goal).value == least
    assert plan.chosen in plan.pareto
    assert best(plan.options, goal) is plan.chosen


def test_budget_and_deadline_leave_out_with_a_reason():
    plan = made_plan(budget_usd=0.5, deadline_s=3600.0)
    assert all(one.time.value <= 3600 and (one.cost.value or 0) <= 0.5 for one in plan)
    assert {one.reason for one in plan.excluded} >= {"budget", "deadline"}
    assert all(one.kind != "buy" for one in plan)  # a board is paid whole


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"deadline_s": 1.0}, ("deadline", "nearest is")),
        ({"budget_usd": 1e-6, "deadline_s": 1400.0}, ("among what the budget leaves", "free")),
    ],
)
def test_an_impossible_wish_names_the_nearest(wish, words):
    with pytest.raises(Infeasible) as error:
        made_plan(**wish)
    for word in words:
        assert word in str(error.value)


def test_no_worker_no_plan():
    ground = dataclasses.replace(make_ground(), workers=())
    with pytest.raises(Infeasible, match="there is no option"):
        make_plan(SUBJECT, ground)
    with pytest.raises(UnknownName, match="option"):
        made_plan(only="nowhere")
    only = made_plan(only="kaggle")
    assert {one.where for one in only} == {"Kaggle Notebooks"}
    assert all("Kaggle" in one.best for one in only.shifts)


def test_sensitivity_moves_what_it_says():
    plan = made_plan(own=frozenset(), goal="cost")
    ground = dataclasses.replace(plan.ground, tiers=())
    plan = make_plan(SUBJECT, ground)
    base = plan.chosen.cost.value
    by_name = {(one.name, one.factor): one for one in plan.shifts}
    assert len(by_name) == 6
    up, down = by_name["price", 1 + SHIFT], by_name["price", 1 - SHIFT]
    assert down.held.value < base < up.held.value
    assert down.value.value <= down.held.value
    assert by_name["efficiency", 1 + SHIFT].held.value < base


def test_break_even_by_hand(plan):
    found = next(one for one in plan.break_even if one.gpu == "rtx-3090")
    lost = found.price.value - 0.25 * gpu("rtx-3090").launch_price_usd  # sold again at the end
    hours = lost / (found.rent.value - found.power_usd_per_h.value)
    assert found.hours.value == pytest.approx(hours)
    assert found.utilization.value == pytest.approx(hours / (4 * 365.25 * 24))
    life = found.utilization.high / found.utilization.value
    assert life > found.hours.high / found.hours.value  # how long it lives is not known either
    assert found.hours.low < found.hours.value < found.hours.high


def test_carbon_by_country_and_year():
    known = load()
    germany = known.country("DE")
    found = intensity_of(germany, known.countries(), 2019)
    assert found.value == germany.carbon_row(2019).gco2e_per_kwh
    assert "Germany 2019" in found.method
    far = intensity_of(germany, known.countries(), 2035)
    assert math.log(far.high / far.low) > math.log(found.high / found.low)
    low, high = drift(known.countries(), 1)
    assert 0.5 < low < 1 < high < 2


def test_the_rent_of_one_old_offer_is_not_known_to_the_cent(plan):
    single = [one for one in plan.ground.offers if one.gpu == "rtx-3090"][:1]
    old = price_today(single, "rtx-3090", TODAY)
    asked = single[0].usd_per_gpu_h
    assert (old.low, old.value, old.high) == pytest.approx((0.6 * asked, asked, 1.15 * asked))
    fresh = price_today(single, "rtx-3090", TODAY.replace(year=2025))
    assert fresh.low == fresh.high == asked


def test_a_bought_board_is_paid_whole_and_sold_again(plan):
    """Its share of the run is of what is lost; the budget is held against the whole price."""
    bought = next(one for one in plan if one.kind == "buy" and one.worker.key == "rtx-3090")
    sold = dataclasses.replace(plan.ground.wish, lost_share=seconds(1.0, 1.0))
    kept, _ = options_of(dataclasses.replace(plan.ground, wish=sold))
    whole = next(one for one in kept if one.id == bought.id)
    assert whole.price == bought.price
    assert bought.cost.value < whole.cost.value


def test_a_stale_price_has_an_interval_and_says_its_date(plan):
    rented = [one for one in plan if one.kind in ("on-demand", "spot")]
    assert all("stale" in one.dated and one.price.low < one.price.value for one in rented)
    fresh = dataclasses.replace(plan.ground, today=TODAY.replace(year=2025))
    options, _ = options_of(fresh)
    assert any("stale" not in one.dated and one.price.low is None for one in options if one.kind == "on-demand")


def test_free_notebooks_take_sessions_and_days():
    long = Run(20_000, 50_000, 128)
    plan = make_plan(SUBJECT, dataclasses.replace(make_ground(long), workers=(gpu_worker("t4", 0.2),)))
    kaggle = next(one for one in plan if one.where == "Kaggle Notebooks")
    assert kaggle.cost.value == 0
    assert len(kaggle.sessions) > 1
    assert max(one.busy_s for one in kaggle.sessions) <= kaggle.session_s
    assert kaggle.time.value > kaggle.busy.value
    rows = calendar_rows(kaggle)
    assert rows[-1][3] == "100 %"
    assert sum(int(row[1]) for row in rows) == len(kaggle.sessions)
    pro = next(one for one in plan if one.where == "Google Colab Pro")
    assert pro.cost.value == pytest.approx(9.99 * math.ceil(pro.busy.value / (50 * 3600)))  # a month buys 50 h
    assert pro.cost.value > 80
    lightning = next(one for one in plan if one.where == "Lightning AI")
    assert lightning.time.value > 30 * 86400 * (lightning.busy.value / (22 * 3600) - 1)
    assert any(one.what == "Hugging Face ZeroGPU" and one.reason == "limits" for one in plan.excluded)


def test_a_notebook_that_might_never_get_through_is_none():
    """A terabyte comes within a session at the likely rate, not at the slow one."""
    found, excluded = options_of(make_ground(Run(2000, 50_000, 128, data_bytes=1e12)))
    assert {one.where for one in found if one.kind == "free"} == {"Google Colab Pro"}  # of 24 hours
    told = {one.what: one.told for one in excluded}
    assert "no session is surely long enough" in told["Google Colab, t4"]


def test_a_free_notebook_with_two_gpus_uses_both_where_they_share_the_batch():
    both = gpu_worker("t4", 0.11, count=2)
    ground = dataclasses.replace(make_ground(), workers=(gpu_worker("t4", 0.2), both), offers=())
    plan = make_plan(SUBJECT, ground)
    by_service = {one.where: one for one in plan if one.kind == "free"}
    assert by_service["Kaggle Notebooks"].worker is both
    assert by_service["Google Colab"].worker.count == 1
    assert by_service["Kaggle Notebooks"].energy.value > 0


def test_a_measured_cpu_keeps_its_kind(plan):
    cpu = plan["cpu fp32 default"].to_dict()
    assert cpu["basis"] == {"step_time": "measured", "power": "predicted", "price": "published"}
    assert cpu["domain"] == "measured"


def test_rows_and_prompts(plan):
    rows = plan_rows(plan.pareto, plan.chosen)
    assert sum(row[0].startswith("→") for row in rows) == 1
    assert "PREDICTED" in repr(plan)
    assert plan._repr_html_().startswith("<table>")
    assert len(even_rows(plan.break_even)) == len(plan.break_even)
    assert len(shift_rows(plan.shifts, plan.chosen)) == 6
    assert out_rows(plan.excluded)[0][1] == "limits"
    assert money_text(Estimate(0.004, 0.001, 0.02, None, "USD", "predicted", "x", None)) == "0.0040 (0.0010 – 0.020)"
    with pytest.raises(UnknownName):
        plan["no such"]


def test_a_limit_that_holds_by_the_likely_value_alone_is_told(plan):
    slow = next(one for one in sorted(plan, key=lambda one: one.cost.value or 0) if one.kind == "on-demand")
    limit = (slow.time.value + slow.time.high) / 2
    told = cautions(made_plan(deadline_s=limit, only="on-demand"))
    assert any("deadline by its likely value" in text and "keeps it" in text for text in told)
    assert not any("likely value" in text for text in cautions(plan))


def test_what_can_be_had_nowhere_is_left_out_with_the_reason():
    plan = make_plan(SUBJECT, dataclasses.replace(make_ground(), workers=(gpu_worker("t4", 0.2), gpu_worker("k40", 1))))
    assert [one.what for one in plan.excluded if one.reason == "no-price"] == ["Tesla K40"]


def test_a_run_of_centuries_is_no_plan():
    with pytest.raises(Infeasible, match="years"):
        make_plan(SUBJECT, make_ground(Run(1e6, 50_000_000, 128)))


@pytest.mark.parametrize("changes", [{"budget_usd": 0}, {"budget_usd": -1}, {"deadline_s": -5}, {"utilization": 1.5}])
def test_absurd_wishes_are_refused(changes):
    with pytest.raises(BadValue):
        Wish(**changes)


def test_more_gpus_are_paid_whole():
    ground = make_ground()
    eight = gpu_worker("a100-sxm-40gb", 0.005, count=8)
    options, _ = options_of(dataclasses.replace(ground, workers=(eight, cpu_worker())))
    rented = [one for one in options if one.kind == "on-demand"]
    assert rented
    assert all(one.price.value > 8 for one in rented)
    assert not [one for one in options if one.kind in ("own", "buy") and one.worker is eight]


def test_every_country_with_a_grid_has_grams():
    used = Estimate(3.6e6, None, None, None, "J", "measured", "made for a test", None)
    for one in load().countries():
        if one.carbon:
            grams = carbon(used, intensity_of(one, (), 2026))
            assert 0 < grams.low <= grams.value <= grams.high, one.iso3


def test_a_wished_option_is_kept_however_dear():
    """A script plans again for its own option alone, whatever has become cheaper meanwhile."""
    ground = make_ground()
    offers = [one for one in ground.offers if one.gpu == "t4" and one.gpu_count == 1 and one.usd_per_h]
    dearest = max(offers, key=lambda one: one.usd_per_h)
    wished = dataclasses.replace(
        ground, wish=dataclasses.replace(ground.wish, only=f"on-demand: t4, {dearest.provider}")
    )
    everything, _ = options_of(ground)
    found, _ = options_of(wished)
    assert not any(dearest.instance in one.where for one in everything)
    assert {one.provider for one in found} == {dearest.provider}
