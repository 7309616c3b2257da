"""A run in other terms: every number by hand from made-up facts; what is unknown stays so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugap.catalog import FreeTier, Offer, gpu, load
from gpugap.catalog.compute import OwnedMemory
from gpugap.catalog.economies import INCOME_LIMITS_USD, INCOMES, Economy, distance_km, economies, recipes
from gpugap.core.errors import BadValue, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.plan.access import WORK_HOURS_PER_YEAR, Means, Terms, terms
from gpugap.plan.job import stated_job, step_job
from gpugap.plan.nearest import nearest, sites
from gpugap.plan.owned import owning, reach
from gpugap.plan.run import Run, steady_time
from gpugap.plan.tiers import on_tier

TODAY = date(2026, 11, 24)
FACTS = {"source": "made up", "date": "2026-11", "confidence": "low"}
WORLD = load()
T4 = gpu("t4")


def offer(usd_per_h: float, region: str = "", **others) -> Offer:
    return Offer(**{"provider": "AWS", "gpu": "t4", "usd_per_h": usd_per_h, "region": region, **FACTS, **others})


def means(**others) -> Means:
    kept = tuple(one for one in WORLD.countries() if one.iso3 in ("KEN", "DEU", "PSE", "USA"))
    asked = {"offers": (offer(0.4), offer(0.6), offer(1.6, "eu-west-1", gpu_count=2)), "countries": kept, "tiers": ()}
    return Means(**{**asked, "today": TODAY, **others})


def of(found: Terms, iso3: str):
    return next(one for one in found.countries if one.country.iso3 == iso3)


def test_cost_income_grant_by_hand():
    found = terms(stated_job(T4, 10), means(grant_usd=300.0, income_usd_per_year=2080.0))
    assert found.price.value == pytest.approx(0.6)
    assert (found.price.low, found.price.high) == (0.4, 0.8)
    assert found.cost.value == pytest.approx(6)
    assert found.cost.kind == "published"  # hours as stated, prices as published
    assert found.grant_share.value == pytest.approx(0.02)
    assert found.own_work_time.value == pytest.approx(6 * 3600)  # a dollar an hour
    kenya = of(found, "KEN")
    head = economies()["KEN"].gdp_usd / economies()["KEN"].population
    assert kenya.year_share.value == pytest.approx(6 / head)
    assert kenya.work_time.value == pytest.approx(6 / head * WORK_HOURS_PER_YEAR * 3600)
    assert kenya.work_time.low == pytest.approx(kenya.work_time.value * 4 / 6)


def test_energy_and_grams_by_hand():
    found = terms(stated_job(T4, 10, watts=100.0), means())
    assert found.energy.value == pytest.approx(3.6e6)  # 1 kWh
    assert found.energy.kind == "published"
    grid = WORLD.country("DEU").carbon[-1].gco2e_per_kwh
    germany = of(found, "DEU").emissions
    assert germany.value == pytest.approx(grid)
    assert germany.low < grid < germany.high  # what years may have changed
    assert of(found, "PSE").emissions.value == pytest.approx(WORLD.country("PSE").carbon[-1].gco2e_per_kwh)


def test_the_power_model_stands_in_and_makes_it_predicted():
    found = terms(stated_job(T4, 10), means())
    assert found.energy.kind == "predicted"
    assert found.energy.low < found.energy.value < found.energy.high


def test_a_run_of_steps_is_the_run_of_a_plan():
    step = Estimate(0.1, 0.09, 0.11, 0.9, "s", "measured", "mean", 5)
    run = Run(epochs=2, samples=18_000, batch=1, evaluated=0.0)
    made = step_job("x", T4, run, step, watts=100.0)
    assert made.work.value == pytest.approx(3600)
    assert made.work.kind == made.step_kind == "measured"
    assert made.time == steady_time(run, step, "cloud")
    assert made.time.value > 3600
    assert made.time.kind == "predicted"  # start and checkpoints are assumed
    found = terms(made, means())
    assert found.cost.value == pytest.approx(0.6 * made.time.value / 3600)
    assert found.cost.kind == of(found, "KEN").work_time.kind == "predicted"
    assert on_tier(made, tier()).sittings.value == 1


def test_more_hours_than_anybody_has_are_refused():
    step = Estimate(10.0, None, None, None, "s", "measured", "mean", 5)
    with pytest.raises(BadValue, match="give fewer epochs or samples"):
        step_job("x", T4, Run(1e6, 10**12, 1), step)


def test_what_is_not_known_is_not_0():
    found = terms(stated_job(T4, 10), means(offers=()))
    assert found.price.value is None
    assert found.cost.value is None
    assert "no on-demand offer of t4 is known" in found.cost.method
    assert of(found, "KEN").work_time.value is None
    assert all(group.work_time.value is None for group in found.groups)
    palestine = of(terms(stated_job(T4, 10), means()), "PSE")
    assert palestine.economy is None
    assert palestine.year_share.value is None
    assert palestine.nearest is None


def test_a_price_of_ones_own():
    found = terms(stated_job(T4, 10), means(offers=(), price_usd_per_gpu_h=2.0))
    assert found.cost.value == pytest.approx(20)
    assert found.cost.low is None


def test_several_gpus_take_less_time_and_the_same_money():
    one, four = (terms(stated_job(T4, 10, count=count), means()) for count in (1, 4))
    assert four.job.time.value == pytest.approx(one.job.time.value / 4)
    assert four.cost.value == pytest.approx(one.cost.value)


def test_income_groups():
    found = terms(stated_job(T4, 10), means())
    by_name = {group.income: group for group in found.groups}
    assert [group.income for group in found.groups] == list(INCOMES)
    assert by_name["lower-middle"].countries == 1
    assert by_name["lower-middle"].work_time.value == pytest.approx(of(found, "KEN").work_time.value)
    high = by_name["high"]
    assert high.countries == 2
    times = sorted(of(found, code).work_time.value for code in ("USA", "DEU"))
    assert (high.work_time.low, high.work_time.high) == pytest.approx(times)
    assert high.work_time.value == pytest.approx(sum(times) / 2)


@pytest.mark.parametrize(("head", "income"), list(zip((1135, 1136, 4496, 13936), INCOMES, strict=True)))
def test_income_by_the_limits(head, income):
    kenya = replace(economies()["KEN"], gdp_usd=head * 1e6, population=10**6)
    assert kenya.income == income
    assert len(INCOME_LIMITS_USD) + 1 == len(INCOMES)


@pytest.mark.parametrize("hours", [0.0, -3.0, float("nan"), float("inf"), 1e12])
def test_absurd_hours_are_refused(hours):
    with pytest.raises(BadValue, match="GPU hours - give more than 0"):
        stated_job(T4, hours)


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"count": 0}, "0 GPUs"), ({"count": -2}, "-2 GPUs"), ({"watts": 0.0}, "0 W"), ({"watts": float("nan")}, "nan W")],
)
def test_absurd_jobs_are_refused(changed, told):
    with pytest.raises(BadValue, match=told):
        stated_job(T4, 1, **changed)


@pytest.mark.parametrize("name", ["grant_usd", "income_usd_per_year", "price_usd_per_gpu_h"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), 1e16])
def test_absurd_amounts_are_refused(name, value):
    with pytest.raises(BadValue, match="give an amount above 0"):
        means(**{name: value})


def tier(**others) -> FreeTier:
    given = {"service": "Free", "gpu": "t4", "usd_per_month": 0.0, "limits": "few", "session_h": 12.0}
    return FreeTier(**{**given, **FACTS, **others})


def test_free_notebooks_by_hand():
    four_a_day = on_tier(stated_job(T4, 10), tier(gpu_h_per_day=4.0, session_h=4.0))
    assert four_a_day.sittings.value == 3  # 4 h less the start, twice, and the rest on the third day
    assert 2 < four_a_day.time.value / 86400 < 2.2
    weekly = on_tier(stated_job(T4, 40), tier(gpu_h_per_week=30.0))
    assert 7 < weekly.time.value / 86400 < 8  # 30 h in the first week, the rest when the second begins
    assert weekly.time.kind == "predicted"


@pytest.mark.parametrize(
    ("changed", "count", "told"),
    [
        ({"gpu": "p100-pcie"}, 1, "the time is of t4, the notebook has p100-pcie"),
        ({}, 2, "the run is of 2 GPUs, the notebook has 1"),
    ],
)
def test_a_notebook_that_does_not_suit_says_why(changed, count, told):
    found = on_tier(stated_job(T4, 10, count=count), tier(**changed))
    assert found.time.value is None
    assert told in found.time.method


def test_notebooks_that_cost_are_not_free():
    found = terms(stated_job(T4, 1), means(tiers=(tier(), tier(service="Paid", usd_per_month=10.0))))
    assert [one.tier.service for one in found.tiers] == ["Free"]


def test_distances_by_hand():
    quarter = distance_km((0, 0), (90, 0))
    assert quarter == pytest.approx(10007.557, abs=0.01)
    assert distance_km((0, 0), (0, 180)) == pytest.approx(2 * quarter)
    assert distance_km((52.52, 13.405), (48.857, 2.352)) == pytest.approx(877, abs=2)  # Berlin to Paris


PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@settings(max_examples=40)
@given(PLACES, PLACES)
def test_distances_are_symmetric_and_at_most_half_around(a, b):
    assert distance_km(a, b) == pytest.approx(distance_km(b, a), abs=1e-6)
    assert 0 <= distance_km(a, b) <= 20015.2
    assert distance_km(a, a) == 0


def test_the_nearest_region():
    kenya, ireland = economies()["KEN"], economies()["IRL"]
    known = sites(
        [offer(1, "eu-west-1"), offer(1, "ap-south-1"), offer(1), offer(1, "nowhere-1"), offer(2, "eu-west-1")]
    )
    assert [one.label for one in known] == ["AWS eu-west-1, Dublin", "AWS ap-south-1, Mumbai"]
    found = nearest(kenya, known)
    assert found.label == "AWS ap-south-1, Mumbai"
    assert found.distance.value == pytest.approx(4.5e6, rel=0.02)
    assert not found.inside
    assert nearest(ireland, known).inside


def test_a_region_inside_comes_before_a_nearer_one_abroad():
    seattle = replace(economies()["USA"], latitude=49.0, longitude=-123.0)
    known = sites([offer(1, "us-east-1"), offer(1, "Ontario, CA", provider="Vast.ai")])
    assert nearest(seattle, known).label == "AWS us-east-1, Northern Virginia"


def test_no_region_told_is_unknown_not_far():
    found = nearest(economies()["KEN"], sites([offer(1)]))
    assert found.distance.value is None
    assert "says where it is" in found.distance.method


def owned(**shares: float) -> list[OwnedMemory]:
    return [
        OwnedMemory(at="2026-01", memory_gb=float(name[2:]), share=share, **FACTS) for name, share in shares.items()
    ]


def test_owned_memory_by_hand():
    rows = owned(gb4=0.3, gb8=0.4, gb24=0.2)
    need = Estimate(6 * 2**30, 3 * 2**30, 9 * 2**30, None, "B", "predicted", "traced", None)
    found = owning(need, "2026-01", rows)
    assert found.value == pytest.approx(0.6)
    assert found.low == pytest.approx(0.2)
    assert found.high == pytest.approx(1.0)  # with the tenth that the survey does not tell
    assert found.kind == "predicted"
    exact = Estimate(float(8 * 2**30), None, None, None, "B", "predicted", "counted", None)
    assert owning(exact, "2026-01", rows).value == pytest.approx(0.6)  # a card of just that size counts


def test_owned_memory_of_an_unknown_need_or_month():
    nothing = Estimate(None, None, None, None, "B", "predicted", "not traced", None)
    assert owning(nothing, "2026-01", owned(gb4=1.0)).value is None
    with pytest.raises(UnknownName, match="month of the survey"):
        owning(nothing, "2020-01", owned(gb4=1.0))


@settings(max_examples=40)
@given(st.floats(1, 1e12), st.floats(1, 1e12))
def test_more_need_is_never_owned_by_more(a, b):
    small, large = (
        reach("x", Estimate(size, None, None, None, "B", "predicted", "m", None)).shares["2026-04"].value
        for size in sorted((a, b))
    )
    assert small >= large


def test_every_network_of_the_study_has_a_recipe():
    assert set(recipes()) == {"conv6", "vgg16", "resnet18", "cyclegan", "gpt2"}
    assert isinstance(economies()["KEN"], Economy)
