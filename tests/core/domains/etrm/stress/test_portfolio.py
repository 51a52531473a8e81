"""Positions: those of the domain, panels of deals with their faults, and users' files with few columns."""

import numpy as np
import pytest

from core.domains.etrm.stress.engine import ENGINE
from core.domains.etrm.stress.portfolio import EnergyPortfolio
from core.tables import read_table
from core.tables.errors import TableError

FEW = "hub,delivery_month,as_of_date,net_quantity_units,mark_price\nDE,2026-09-01,2026-03-31,1000,60\n"


def test_five_columns_are_enough(of_text):
    held = of_text(FEW + "WTI,2026-05-01,2026-03-31,-2000,70\n")
    assert held.n_instruments == 2
    assert held.names.tolist() == ["DE/2026-09", "WTI/2026-05"]
    assert held.fx.tolist() == [1.0, 0.91]
    assert held.value == pytest.approx([0.06, 2000 * 70 * 0.91 / 1e6])
    assert "book is not in the file: all positions are of one book." in held.notes


def test_the_file_of_the_domain_is_a_portfolio(tmp_path, positions, held):
    path = tmp_path / "positions.csv"
    positions.assign(delivery_month=positions["delivery_month"].dt.date).to_csv(path, index=False)
    read = ENGINE.portfolio(read_table(path))
    assert read.n_instruments == held.n_instruments == len(positions)
    assert read.market_value == pytest.approx(held.market_value, rel=1e-9)
    open_value = positions["mtm"].to_numpy() / 1e6
    assert held.open_value == pytest.approx(open_value, abs=1e-9)


def test_the_newest_day_is_held(of_text):
    held = of_text(FEW + "FR,2026-09-01,2026-02-28,1000,60\n")
    assert held.names.tolist() == ["DE/2026-09"]
    assert "Held are the positions of 2026-03-31; 1 of other days are not." in held.notes


def test_an_option_takes_the_price_of_its_underlying_where_it_is_known(of_text):
    head = FEW.splitlines()[0] + ",option_type,strike,delta_units,delta_cash,fx_rate\n"
    rows = (
        "DE,2026-09-01,2026-03-31,1000,60,,,,,1\n"
        "DE,2026-09-01,2026-03-31,10,5,call,60,,,1\n"
        "TTF,2026-09-01,2026-03-31,10,2,put,28,-4,-116,1\n"
        "PEG,2026-09-01,2026-03-31,10,2,put,28,,,1\n"
    )
    held = of_text(head + rows)
    assert held.forward.tolist() == pytest.approx([60, 60, 29])
    assert held.names.tolist()[1:] == ["DE/2026-09/call/60", "TTF/2026-09/put/28"]
    assert any(note.startswith("1 of 4 positions cannot be priced") for note in held.notes)


def test_a_price_that_no_volatility_explains_is_named(of_text):
    head = "hub,tenor_months,net_quantity_units,mark_price,option_type,strike,underlying_price\n"
    held = of_text(head + "TTF,6,10,1,call,20,28\n")
    assert any("no volatility explains" in note for note in held.notes)
    assert held.variance[0] > 0


def test_what_cannot_be_priced_is_left_out_and_counted(of_text):
    held = of_text(FEW + "DE,2025-09-01,2026-03-31,1000,60\nTTF,2026-09-01,2026-03-31,10,-5\n")
    assert held.n_instruments == 1
    assert any(note.startswith("2 of 3 positions cannot be priced") for note in held.notes)
    with pytest.raises(TableError, match="no position can be priced"):
        of_text(FEW.replace("2026-09", "2025-09"))
    with pytest.raises(TableError, match="no position has a value"):
        of_text(FEW.replace("1000", "0"))


@pytest.mark.parametrize("lacking", ["hub", "net_quantity_units", "mark_price", "delivery_month", "as_of_date"])
def test_a_column_that_a_price_needs_is_named(of_text, lacking):
    with pytest.raises(TableError, match=rf"positions.csv.*it lacks .*{lacking}"):
        of_text(FEW.replace(lacking, "other"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DE,", "XX,", r"line 2.*'XX' is not a known hub.*DE, FR"),
        (",60", ",sixty", r"mark_price is no number"),
        ("2026-09-01", "soon", r"delivery_month is no date"),
    ],
)
def test_a_wrong_cell_is_named(of_text, old, new, message):
    with pytest.raises(TableError, match=message):
        of_text(FEW.replace(old, new))


def test_a_panel_of_deals_is_a_portfolio_without_its_cancelled_deals(panel):
    held = ENGINE.drawn_portfolio(panel)
    kept = panel[panel["status"] != "cancelled"]
    assert held.n_instruments == len(kept) < len(panel)
    assert np.sign(held.net).tolist() == np.where(kept["side"] == "buy", 1.0, -1.0).tolist()
    assert held.is_option.sum() == (kept["instrument"] == "option").sum()
    assert isinstance(held, EnergyPortfolio)
    assert any("options without a strike" in note for note in held.notes)


def test_a_position_without_a_book_is_of_none(of_text):
    head, first = FEW.split()
    held = of_text(f"book,{head}\nPOWER,{first}\n,{first.replace('DE', 'FR')}\n")
    assert held.book.tolist() == ["POWER", "none"]
    assert held.names.tolist() == ["POWER/DE/2026-09", "none/FR/2026-09"]


@pytest.mark.parametrize(("column", "cell"), [("mark_price", "1e300"), ("net_quantity_units", "-1e300")])
def test_a_number_that_no_position_has_is_named_with_its_line(of_text, column, cell):
    head, first = FEW.split()
    cells = dict(zip(head.split(","), first.split(","), strict=True)) | {column: cell}
    with pytest.raises(TableError, match=rf"line 2, column '{column}': {column} is .*, and must be from"):
        of_text("\n".join((head, ",".join(cells.values()))) + "\n")
