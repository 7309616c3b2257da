"""Who holds known compute: made-up holders by hand, and the packaged ones against what their authors say."""

from __future__ import annotations

import pytest

from gpugap.catalog.compute import KnownCompute, coverage, known_compute
from gpugap.catalog.economies import economies
from gpugap.core.errors import UnknownName
from gpugap.plan.imbalance import VIEWS, imbalance, imbalance_of


def holder(iso3: str, amount: float, **others) -> KnownCompute:
    base = {"scope": "cluster", "name": f"{iso3} {amount}", "unit": "H100", "sector": "public"}
    facts = {"source": "made up", "date": "2026-01", "confidence": "low"}
    return KnownCompute(**{**base, **facts, "iso3": iso3, "amount": amount, **others})


MADE = [
    holder("KEN", 1),
    holder("KEN", 1, sector="private"),
    holder("DEU", 4, sector="private"),
    holder("USA", 14, sector="private"),
    holder("", 5, sector=""),
]


def test_countries_by_hand():
    found = imbalance_of("country", MADE)
    assert [(one.name, one.amount.value) for one in found.groups] == [
        ("United States", 14),
        ("Germany", 4),
        ("Kenya", 2),
    ]
    assert found.total.value == 20
    assert found.drawn == 4
    assert found.tops["1 of 3"].value == pytest.approx(0.7)
    assert found.gini.value == pytest.approx(1.5 * 0.4)  # by ranks: 2 (2·1 + 4·2 + 14·3) / (3·20) - 4/3 = 0.4
    assert "1 of 5 holders, 20.0 % of the amount" in found.left_out
    assert found.curve[0] == (0, 0)
    assert found.curve[1] == pytest.approx((1 / 3, 0.1))


def test_the_others_at_0_are_all_other_countries():
    found = imbalance_of("country", MADE)
    n = len(economies())
    ranks = ((n - 2) * 2 + (n - 1) * 4 + n * 14) * 2 / (n * 20) - (n + 1) / n
    assert found.gini_with_none.value == pytest.approx(ranks * n / (n - 1))
    assert f"{n} countries" in found.gini_with_none.method


def test_sectors():
    found = imbalance_of("sector", MADE)
    assert {one.name: one.amount.value for one in found.groups} == {"private": 19, "public": 1}
    assert found.tops["1 of 2"].value == pytest.approx(0.95)
    low, high = found.tops["1 of 2"].low, found.tops["1 of 2"].high
    assert 0 <= low < 0.95 < high <= 1


def test_per_head_counts_people_not_countries():
    found = imbalance_of("country-per-head", MADE)
    assert len(found.groups) == len(economies())
    people = sum(one.population for one in economies().values())
    share = economies()["DEU"].population / people  # Germany has the most a head: 4 for 84 million
    assert 0.01 < share < 0.05
    assert found.curve[-2][0] == pytest.approx(1 - share)
    assert found.curve[-2][1] == pytest.approx(0.8)
    assert found.tops["1 % of people"].value == pytest.approx(0.2 * 0.01 / share)


def test_universities_are_drawn_themselves():
    rows = [holder("USA", amount, scope="university", name=f"u{amount}", people=10.0) for amount in (0, 1, 2, 3, 94)]
    found = imbalance_of("university", rows)
    assert found.tops["1 of 5"].value == pytest.approx(0.94)
    assert found.groups[0].share.low is None  # a holder that is its own group has no interval
    students = imbalance_of("university-per-student", rows)
    assert students.gini.value == pytest.approx(0.8 * found.gini.value)  # no correction where people count
    assert students.tops["10 % of people"].value == pytest.approx(0.47)


def test_students_go_with_their_university():
    rows = [
        holder("USA", 10, scope="university", name="b", people=1.0),
        holder("USA", 10, scope="university", name="a", people=9.0),
    ]
    found = imbalance_of("university-per-student", rows)
    assert [x for x, _ in found.curve] == pytest.approx([0, 0.9, 1])
    assert [y for _, y in found.curve] == pytest.approx([0, 0.5, 1])


def test_nothing_that_can_be_placed_is_refused():
    with pytest.raises(ValueError, match="no holder can be placed"):
        imbalance_of("country", [holder("", 1)])


def test_an_unknown_view():
    with pytest.raises(UnknownName, match="unknown view 'contry' - did you mean country"):
        imbalance("contry")


@pytest.mark.parametrize("view", VIEWS)
def test_the_packaged_views(view):
    found = imbalance(view)
    assert found.coverage
    assert found.source
    assert 0 < found.gini.value < 1
    assert found.gini.kind == "published"
    assert sum(one.share.value for one in found.groups) == pytest.approx(1)
    assert list(found.tops.values()) == sorted(found.tops.values(), key=lambda share: share.value)
    if view == "supercomputer-country":
        assert found.gini.low is None
    else:
        assert found.gini.low < found.gini.value < found.gini.high
    assert found.to_dict()["view"] == view


def test_what_the_authors_say_lies_in_our_intervals():
    told = [one for one in coverage() if one.share is not None and one.group != "everything"]
    assert {one.group for one in told} == {"United States", "China", "private"}
    ours = {one.name: one.share for view in ("country", "sector") for one in imbalance(view).groups}
    for one in told:
        assert ours[one.group].low <= one.share <= ours[one.group].high, one.told
        assert any(one.told in text for view in ("country", "sector") for text in imbalance(view).coverage)


def test_the_bound_on_what_is_not_listed_is_told():
    (text,) = [text for text in imbalance("country").coverage if "had none of what" in text]
    share = imbalance("country").groups[0].share.value
    least = min(one.share for one in coverage() if one.group == "everything")
    assert f"{100 * share * least:.0f} %" in text
    assert f"{100 * (1 - (1 - share) * least):.0f} %" in text


def test_a_cluster_built_in_phases_counts_once():
    names = [one.name for one in known_compute() if "Colossus Memphis" in one.name]
    assert names == ["xAI Colossus Memphis Phase 3"]
