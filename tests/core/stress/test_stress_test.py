"""A stress test as a whole: what is chosen, what is refused, and what the report says."""

import dataclasses

import msgspec
import pytest

from core.errors import NotFoundError, UsageError
from core.explain.deny_list import DenyList
from core.stress.choosing import chosen_scenarios, chosen_severities, stress_engine
from core.stress.report import StressReport
from core.stress.stress_test import StressRequest, run_stress_test
from core.tables.errors import TableError


def test_a_drawn_panel_is_stressed_and_the_report_can_be_read_again():
    request = StressRequest(
        domain="bonds", n_rows=120, seed=3, scenarios=["rate_shock", "inflation"], severities=["severe"]
    )
    report = run_stress_test(request)
    assert [case.scenario for case in report.cases][-1] == "inflation"
    assert len(report.cases) == 7
    assert report.worst.pnl == min(case.pnl for case in report.cases)
    written = msgspec.json.encode(report)
    assert msgspec.json.decode(written, type=StressReport) == report
    assert msgspec.json.encode(run_stress_test(request)) == written


def test_a_file_of_positions_is_stressed(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text("bond_id,rating,coupon_pct,maturity_years,ytm_pct,position_musd\nA,BBB,4,5,4,10\n")
    report = run_stress_test(StressRequest(domain="bonds", portfolio=path, scenarios=["rates_up"], severities=["mild"]))
    assert (report.portfolio, report.n_instruments, report.market_value) == ("book.csv", 1, pytest.approx(10))
    assert report.cases[0].pnl == pytest.approx(-0.4376, abs=1e-3)


@pytest.mark.parametrize("domain", ["bonds", "etrm"])
def test_the_refusal_of_a_file_quotes_no_cell_of_a_denied_column(tmp_path, domain):
    path = tmp_path / "book.csv"
    of_bonds = "bond_id,rating,coupon_pct,maturity_years,ytm_pct\nA,zeppelin,4,5,4\n"
    path.write_text(of_bonds if domain == "bonds" else "hub,net_quantity_units,mark_price\nzeppelin,1,60\n")
    column = "rating" if domain == "bonds" else "hub"
    for denied, is_quoted in (((), True), ((column,), False)):
        request = StressRequest(domain=domain, portfolio=path, denied=DenyList(denied))
        with pytest.raises(TableError, match=column) as refused:
            run_stress_test(request)
        assert ("zeppelin" in str(refused.value).lower()) is is_quoted


@pytest.mark.parametrize(
    ("domain", "text", "column"),
    [
        ("bonds", "bond_id,rating,coupon_pct,maturity_years,ytm_pct\nzeppelin,BBB,4,5,4\n", "bond_id"),
        ("etrm", "book,hub,tenor_months,net_quantity_units,mark_price\nzeppelin,TTF,3,-1000,60\n", "book"),
    ],
)
def test_instruments_whose_name_is_made_of_a_denied_column_are_numbered(tmp_path, domain, text, column):
    path = tmp_path / "book.csv"
    path.write_text(text)
    for denied, is_named in (((), True), (("sector",), True), ((column,), False), (("*",), False)):
        report = run_stress_test(StressRequest(domain=domain, portfolio=path, denied=DenyList(denied)))
        assert ("zeppelin" in msgspec.json.encode(report).decode()) is is_named
        assert is_named or {each.name for case in report.cases for each in case.worst} == {"instrument 1"}
    gone = msgspec.structs.replace(run_stress_test(StressRequest(domain=domain, portfolio=path)), domain="gone")
    assert "zeppelin" not in msgspec.json.encode(gone.without_denied(DenyList(["sector"]))).decode()


@pytest.mark.parametrize(
    ("column", "hidden"),
    [
        ("issuer_id", {"issuer"}),
        ("rating_num", {"rating", "rating_after"}),
        ("clean_price", {"price", "price_after"}),
        ("spread_bps", {"spread_bps", "spread_after_bps"}),
    ],
)
def test_words_of_a_report_that_tell_of_a_denied_column_are_left_out(column, hidden):
    request = StressRequest(domain="bonds", n_rows=60, seed=3, scenarios=["rates_up"], severities=["severe"])
    shown, left = run_stress_test(request), run_stress_test(dataclasses.replace(request, denied=DenyList([column])))

    def words(report):
        (case,) = report.cases
        return {*case.worst[0].labels, *case.worst[0].figures} | {part.slicing for part in case.slices}

    assert words(shown) - words(left) == hidden


def test_what_does_not_exist_is_refused(tmp_path):
    engine = stress_engine("bonds")
    with pytest.raises(NotFoundError, match="no scenario 'freeze'; choose from global_liquidity_freeze"):
        chosen_scenarios(engine.scenarios, ["freeze"])
    with pytest.raises(UsageError, match="'worst' is no severity; choose from mild, moderate, severe"):
        chosen_severities(["worst"])
    with pytest.raises(UsageError, match="domain 'table' has no stress tests"):
        run_stress_test(StressRequest(domain="table"))
    with pytest.raises(UsageError, match="rows is 0"):
        run_stress_test(StressRequest(domain="bonds", n_rows=0))
    with pytest.raises(TableError, match=r"nowhere\.csv"):
        run_stress_test(StressRequest(domain="bonds", portfolio=tmp_path / "nowhere.csv"))
