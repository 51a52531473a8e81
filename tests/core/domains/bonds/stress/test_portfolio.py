"""Positions: from panels with their faults, and from users' files with few columns."""

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.stress.engine import ENGINE
from core.errors import UsageError
from core.tables import read_table
from core.tables.errors import TableError

FEW = "bond_id,rating,coupon_pct,maturity_years,ytm_pct,position_musd\nA,BBB,4,5,4,10\nB,BB,6,7.5,7,5\n"


@pytest.fixture
def of_text(tmp_path):
    def read(text):
        path = tmp_path / "positions.csv"
        path.write_text(text)
        return ENGINE.portfolio(read_table(path))

    return read


def test_six_columns_are_enough(of_text):
    held = of_text(FEW)
    assert held.n_instruments == 2
    assert held.bonds.notional.tolist() == [10, 5]
    assert held.bonds.price[0] == pytest.approx(100)
    assert "sector is not in the file: industrials." in held.notes


def test_a_position_that_can_be_read_in_two_ways_is_refused(of_text):
    with pytest.raises(TableError, match="position_musd"):
        of_text(FEW.replace("4,10", '4,"1,000"').replace("7.5,7,5\n", '7,7,"2,500"\n'))


def test_a_part_of_a_grade_is_refused(of_text):
    with pytest.raises(TableError, match=r"line 2.*is 8\.7, and must be a whole number"):
        of_text(FEW.replace("rating", "rating_num").replace("BBB", "8.7").replace("BB", "9"))


def test_positions_of_one_day_are_each_held(of_text):
    """Two lots of one bond that cancel, and two bonds without a name."""
    held = of_text(FEW.splitlines()[0] + "\nA,BBB,4,5,4,100\nA,BBB,4,5,4,-100\n,BB,6,7,7,5\n,B,6,7,9,6\n")
    assert held.bonds.notional.tolist() == [100, -100, 5, 6]
    assert "2 rows are positions in 1 bonds: each of them is held." in held.notes
    assert not any("observations" in note for note in held.notes)


def test_of_several_days_the_newest_is_held_with_all_its_lots(of_text):
    text = (
        "bond_id,rating,coupon_pct,maturity_years,ytm_pct,position_musd,as_of_date\nA,BBB,4,5,4,1,2026-01-31\n"
        "A,BBB,4,5,4,2,2026-02-28\nA,BBB,4,5,4,3,2026-02-28\nB,BBB,4,5,4,4,2026-01-31\n"
    )
    held = of_text(text)
    assert held.bonds.notional.tolist() == [2, 3, 4]
    assert "4 rows are observations of 2 bonds: the newest of each is held." in held.notes


def test_a_price_is_as_good_as_a_yield(of_text):
    held = of_text(FEW.replace("ytm_pct", "clean_price").replace("4,10", "100,10").replace("7,5\n", "94.2,5\n"))
    assert held.bonds.price.tolist() == pytest.approx([100, 94.2], abs=1e-9)


def test_dates_are_as_good_as_years(of_text):
    text = (
        "bond_id,rating,coupon_pct,as_of_date,maturity_date,spread_bps\nA,BBB,4,2026-03-31,2031-03-31,120\n"
        "B,A,3,2026-03-31,2036-03-31,80\n"
    )
    assert of_text(text).bonds.maturity == pytest.approx([5.0, 10.0], abs=0.01)


@pytest.mark.parametrize("lacking", ["bond_id", "rating", "coupon_pct", "maturity_years", "ytm_pct"])
def test_a_column_that_a_price_needs_is_named(of_text, lacking):
    with pytest.raises(TableError, match=f"positions.csv.*it lacks .*{lacking}"):
        of_text(FEW.replace(lacking, "other"))


def test_an_unknown_rating_is_named_with_its_line(of_text):
    with pytest.raises(TableError, match=r"line 3.*'ZZ' is not a known rating"):
        of_text(FEW.replace("BB,6", "ZZ,6"))


def test_rows_that_cannot_be_priced_are_left_out_and_counted(of_text):
    held = of_text(FEW + "C,D,5,3,5,1\nD,BBB,5,,5,1\nE,BBB,5,-2,5,1\n")
    assert held.n_instruments == 2
    assert any(note.startswith("3 of 5 rows cannot be priced") for note in held.notes)
    with pytest.raises(TableError, match="no row can be priced"):
        of_text(FEW.replace("BBB", "D").replace("BB,", "D,"))


def test_the_newest_row_of_a_bond_is_held(bonds_frame, held):
    assert held.n_instruments <= bonds_frame["bond_id"].nunique()
    row = bonds_frame.sort_values("as_of_date").drop_duplicates("bond_id", keep="last").iloc[0]
    place = np.flatnonzero(held.bonds.names == row["bond_id"])
    assert len(place) == 0 or held.bonds.spread[place[0]] == row["spread_bps"]


def test_the_prices_of_a_panel_are_its_own(bonds_frame, held):
    panel = bonds_frame.sort_values("as_of_date").drop_duplicates("bond_id", keep="last").set_index("bond_id")
    shown = panel.loc[list(held.bonds.names), "clean_price"].to_numpy()
    sound = (panel.loc[list(held.bonds.names), "anomaly_type"] == "none").to_numpy(copy=True)
    assert np.median(np.abs(held.bonds.price - shown)[sound]) < 1e-3
    assert (np.abs(held.bonds.price - shown)[sound] < 0.5).mean() > 0.98


def test_a_frame_without_prices_is_refused():
    with pytest.raises(UsageError, match="spread_bps or ytm_pct or clean_price"):
        ENGINE.drawn_portfolio(
            pd.DataFrame({"bond_id": ["A"], "rating": ["A"], "coupon_pct": [1.0], "maturity_years": [1.0]})
        )


def test_bonds_that_are_sold_win_what_others_lose_and_shares_are_of_the_gross_value(of_text):
    held, sold = of_text(FEW), of_text(FEW.replace("4,10", "4,-10"))
    scenario = next(each for each in ENGINE.scenarios if each.name == "rates_up")
    (long,), (short,) = (ENGINE.run(each, [scenario], ["severe"]) for each in (held, sold))
    assert sold.market_value == held.market_value
    by_name = {each.name: each.pnl for each in long.worst}
    assert short.pnl == pytest.approx(by_name["B"] - by_name["A"])
    assert short.pnl_share == pytest.approx(short.pnl / held.market_value)
    assert short.metrics["liquidation_cost"] == pytest.approx(long.metrics["liquidation_cost"])
    assert 0 < short.metrics["concentration"] <= 1
    assert "1 of 2 positions are sold: shares are of the gross value." in sold.notes


def test_a_book_that_nets_to_nothing_is_stressed_and_one_of_nothing_is_refused(of_text):
    hedged = of_text(FEW.replace("B,BB,6,7.5,7,5", "B,BBB,4,5,4,-10"))
    assert hedged.market_value == pytest.approx(20.0)
    for case in ENGINE.run(hedged, ENGINE.scenarios, ["severe"]):
        assert 0.0 <= case.impact <= 1.0
        assert np.isfinite(list(case.metrics.values())).all()
        if case.family == "rate_shock":
            assert case.pnl == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(TableError, match=r"position_musd.*no position has a value"):
        of_text(FEW.replace("4,10", "4,0").replace("7,5\n", "7,0\n"))


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("coupon_pct", "1e300"), ("ytm_pct", "-250"), ("position_musd", "1e300"), ("age_years", "-1"),
        ("issue_size_musd", "0"), ("bid_ask_bps", "-5"), ("liquidity_index", "101"), ("vix", "0"), ("fx_vol", "-0.1"),
        ("fund_ownership", "30"), ("credit_cycle", "1e6"), ("clean_price", "0"),
    ],
)  # fmt: skip
def test_a_number_that_no_bond_has_is_named_with_its_line(of_text, column, cell):
    head, first, second = FEW.split()
    if column in head:
        cells = dict(zip(head.split(","), second.split(","), strict=True)) | {column: cell}
        text = "\n".join((head, first, ",".join(cells.values()))) + "\n"
    else:
        text = f"{head},{column}\n{first},\n{second},{cell}\n"
    with pytest.raises(TableError, match=rf"line 3, column '{column}': {column} is .*, and must be from"):
        of_text(text)
