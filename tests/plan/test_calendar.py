"""Free notebooks: sessions keep every limit and bring the whole run through."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.catalog import free_tiers
from gpugap.plan.calendar import DAY_S, Limits, elapsed_s, limits_of, sessions

hours = st.floats(0.5, 24).map(lambda value: value * 3600)
quota = st.one_of(st.none(), st.floats(2, 60).map(lambda value: value * 3600))
limits = st.builds(Limits, hours, hours, quota, quota)


@given(st.floats(1, 4e6), limits, st.floats(0, 1500), st.floats(0, 200))
def test_sessions_keep_the_limits_and_do_the_work(work_s, allowed, start_s, save_s):
    found = sessions(work_s, allowed, start_s, save_s)
    if found is None:
        return
    days, weeks, months = defaultdict(float), defaultdict(float), defaultdict(float)
    for one in found:
        assert one.busy_s <= allowed.session_s * (1 + 1e-9)
        assert one.busy_s == pytest.approx(one.work_s + start_s + save_s)
        days[one.day] += one.busy_s
        weeks[one.day // 7] += one.busy_s
        months[one.day // 31] += one.busy_s
    assert sum(one.work_s for one in found) == pytest.approx(work_s, rel=1e-6)
    assert max(days.values()) <= min(allowed.day_s, DAY_S) * (1 + 1e-9)
    assert allowed.week_s is None or max(weeks.values()) <= allowed.week_s * (1 + 1e-9)
    assert allowed.month_s is None or max(months.values()) <= allowed.month_s * (1 + 1e-9)
    assert [one.day for one in found] == sorted(one.day for one in found)


def test_thirty_hours_a_week_by_hand():
    """100 h of work in 12 h sessions of 30 h a week: 12 + 12 + 6, then again; three weeks and 10 h."""
    found = sessions(100 * 3600, Limits(12 * 3600, DAY_S, 30 * 3600), 0, 0)
    assert [one.busy_s / 3600 for one in found if one.day < 7] == [12, 12, 6]
    assert found[-1].day == 21
    assert elapsed_s(found) == 21 * DAY_S + 10 * 3600


def test_credits_of_a_month_by_hand():
    """Fifty hours in two days, then nothing until the next month."""
    found = sessions(60 * 3600, Limits(DAY_S, DAY_S, None, 50 * 3600), 0, 0)
    assert [(one.day, one.busy_s / 3600) for one in found] == [(0, 24), (1, 24), (2, 2), (31, 10)]


def test_a_session_that_only_starts_never_ends():
    assert sessions(3600, Limits(600, DAY_S, None), 600, 1) is None


def test_an_unpublished_quota_is_taken_from_users_reports():
    colab = next(one for one in free_tiers() if one.key == "Google Colab, t4")
    assert limits_of(colab, 0).day_s < limits_of(colab, 1).day_s < limits_of(colab, 2).day_s < DAY_S
    kaggle = next(one for one in free_tiers() if one.gpu_h_per_week == 30)
    assert limits_of(kaggle).week_s == 30 * 3600
    pro = next(one for one in free_tiers() if one.service == "Google Colab Pro")
    assert limits_of(pro) == Limits(DAY_S, DAY_S, None, 50 * 3600)
