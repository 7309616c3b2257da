"""Money on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugap.core.errors import BadValue, GpugapError, UnknownName
from gpugap.core.money import parse_money, parse_rates


@pytest.mark.parametrize(
    ("text", "dollars"),
    [
        ("5000", 5000),
        ("5000 USD", 5000),
        ("usd 5,000.50", 5000.5),
        ("5_000eur", 5400),
        (" EUR100 ", 108),
        ("$20", 20),
        ("1,250,000.5", 1250000.5),
        ("US$20", 20),
    ],
)
def test_amounts(text, dollars):
    assert parse_money(text, "--grant", {"EUR": 1.08}) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "text", ["", "much", "-5", "5 EUROS", "USD 5 EUR", "0", "1e3", "9" * 20, "٣", "12,50", "1,5", "1,,000", "1,0000"]
)
def test_what_is_no_amount(text):
    with pytest.raises(BadValue):
        parse_money(text, "--grant", {"EUR": 1.08})


def test_an_unknown_currency_asks_for_its_rate():
    with pytest.raises(UnknownName, match="unknown currency 'XYZ' - state its rate: --rate XYZ="):
        parse_money("5 xyz", "--grant", {})


@pytest.mark.parametrize("text", ["20EUR", "€20", "KES 20"])
def test_where_no_rate_can_be_stated_dollars_are_asked_for(text):
    with pytest.raises(UnknownName, match="convert it to USD"):
        parse_money(text, "--budget")


def test_rates():
    assert parse_rates(["EUR=1.08", "kes=0.0077"]) == {"EUR": 1.08, "KES": 0.0077}


@pytest.mark.parametrize("text", ["EUR", "EUR=", "EUR=0", "EUR=-1", "EURO=1", "EUR=nan", "EUR=" + "9" * 400])
def test_what_is_no_rate(text):
    with pytest.raises(BadValue, match="is not an exchange rate"):
        parse_rates([text])


@settings(max_examples=60)
@given(st.text("0123456789.,_- USDEURusdé٣", max_size=12))
def test_any_text_is_an_amount_above_0_or_refused_in_one_line(text):
    try:
        assert parse_money(text, "--grant") > 0
    except GpugapError as error:
        assert "\n" not in str(error)
