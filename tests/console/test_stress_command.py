"""`bondx stress`: its output, its exit codes, and what it refuses."""

import functools
import json
import re

import pandas as pd
import pytest

from console.cli.main import main

BOOK = "bond_id,rating,coupon_pct,maturity_years,ytm_pct,position_musd\nA,BBB,4,5,4,10\nB,BB,6,7.5,7,5\n"


@pytest.fixture
def stress(called, workspace):
    return functools.partial(called, main, "--workspace", workspace.root, "stress")


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text(BOOK)
    return path


def test_a_portfolio_is_stressed_listed_shown_and_compared(stress, book):
    code, out, err = stress("run", "--portfolio", book, "--scenario", "rate_shock", "--severity", "severe")
    assert (code, err) == (0, "")
    assert "book.csv: 2 instruments, 14.7 USD m" in out
    assert "note: sector is not in the file: industrials." in out
    assert "kept as st-0001" in out
    assert "st-0001" in stress("list")[1]
    shown = stress("show", "--scenario", "rates_up")[1]
    assert "rates_up/severe: -" in shown
    assert "price_fall" in shown
    assert stress("run", "--portfolio", book, "--scenario", "rates_up", "--json")[0] == 0
    compared = json.loads(stress("compare", "st-0001", "st-0002", "--json")[1])
    assert compared[2]["pnl_share"] == compared[2]["pnl_share_before"]


def test_the_factors_add_up_in_the_json(stress, book):
    answer = json.loads(stress("run", "--portfolio", book, "--severity", "severe", "--dry-run", "--json")[1])
    assert answer["test"] is None
    for case in answer["report"]["cases"]:
        assert sum(case["factors"].values()) == pytest.approx(case["pnl"], abs=1e-9)
    assert stress("list")[1] == "no stress tests\n"


def test_a_loss_beyond_the_limit_is_exit_code_1(stress, book):
    words = ("run", "--portfolio", book, "--scenario", "rates_up", "--severity", "severe", "--max-loss")
    code, out, _ = stress(*words, "0.05")
    assert code == 1
    assert "more than 5.0%" in out
    assert stress(*words, "0.5")[0] == 0


def test_every_instrument_is_written(stress, book, tmp_path):
    file = tmp_path / "instruments.csv"
    words = ("run", "--portfolio", book, "--scenario", "rates_up", "--severity", "mild", "--instruments", file)
    assert stress(*words)[0] == 0
    frame = pd.read_csv(file)
    assert frame["bond_id"].tolist() == ["A", "B"]
    assert (frame["pnl"] < 0).all()
    assert "already exists" in stress(*words)[2]
    assert "name one --scenario" in stress("run", "--portfolio", book, "--instruments", tmp_path / "more.csv")[2]


def test_own_scenarios_are_checked_and_run(stress, book, tmp_path):
    own, broken = tmp_path / "own.yaml", tmp_path / "broken.yaml"
    own.write_text("scenarios:\n  mine:\n    shocks: {spread_bps: 100}\n")
    broken.write_text("scenarios:\n  mine:\n    shocks: {spread_bsp: 100}\n")
    assert stress("check", own)[:2] == (0, f"{own}: mine\n")
    code, out, _ = stress("check", own, broken)
    assert code == 2
    assert f"{broken}, line 3, column 14: 'spread_bsp' is no key of a shock" in out
    assert "spread_bps=100" in stress("scenarios", "--scenarios", own, "--scenario", "mine")[1]
    assert "mine" in stress("run", "--portfolio", book, "--scenarios", own, "--scenario", "mine")[1]


def test_the_smallest_shock_is_searched(stress, book):
    code, out, _ = stress("reverse", "--portfolio", book, "--loss", "0.1", "--scenario", "rate_shock")
    assert code == 0
    assert re.search("rates_down/severe +not reached", out)
    found = json.loads(stress("reverse", "--portfolio", book, "--loss", "0.1", "--scenario", "rates_up", "--json")[1])
    assert [each["direction"] for each in found] == ["rates_up/severe", "least favourable"]
    assert found[0]["pnl_share"] == pytest.approx(-0.1)


def test_energy_positions_are_stressed_kept_and_shown(stress, tmp_path):
    path = tmp_path / "energy.csv"
    path.write_text("hub,tenor_months,net_quantity_units,mark_price\nDE,6,-100000,60\nTTF,3,50000,28\n")
    code, out, err = stress("run", "--domain", "etrm", "--portfolio", path, "--scenario", "price_spike")
    assert (code, err) == (0, "")
    assert "energy.csv: 2 instruments, 7.4 EUR m" in out
    shown = stress("show", "--scenario", "gas_spike")[1]
    for seen in ("gas_ttf", "liquidity", "price_loss", "ES 97.5 %, a month", "POWER", "commodity"):
        assert seen in shown
    found = json.loads(
        stress(
            "reverse", "--domain", "etrm", "--portfolio", path, "--loss", "0.3", "--scenario", "gas_spike", "--json"
        )[1]
    )
    assert found[0]["pnl_share"] == pytest.approx(-0.3)
    assert found[1]["pnl_share"] == pytest.approx(-0.3)
    assert found[1]["shock"]["level"]["POWER"] > 0


@pytest.mark.journey
def test_the_smallest_shock_of_an_impact_and_of_a_gate_is_searched(stress, book):
    code, out, _ = stress("reverse", "--portfolio", book, "--impact", "0.1", "--scenario", "rates_up")
    assert code == 0
    assert re.search(r"rates_up/severe +\d\.\d+ +share of the shock +0\.100", out)
    words = ("--rows", "120", "--scenario", "global_liquidity_freeze")
    code, out, _ = stress("reverse", "--gate", "liquidity_index_median", *words)
    assert code == 0
    assert re.search(r"global_liquidity_freeze/severe +\d\.\d+ .*liquidity_index_median", out)
    assert "not allowed with" in stress("reverse", "--gate", "--loss", "0.1")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--scenario", "freeze"), "There is no scenario 'freeze'; choose from"),
        (("run", "--domain", "table"), "has no stress tests"),
        (("run", "--portfolio", "nowhere.csv"), "nowhere.csv"),
        (("run", "--portfolio", "book.csv", "--rows", "5"), "Leave one out"),
        (("run", "--seed", "-1"), "--seed -1: it must be from 0"),
        (("show",), "There is no stress test yet"),
        (("show", "st-0009"), "st-0009"),
        (("show", "--severity", "mild"), "There is no stress test yet"),
        (("scenarios", "--severity", "worst"), "invalid choice"),
    ],
)
def test_what_is_wrong_is_named(stress, words, message):
    code, _, err = stress(*words)
    assert code == 2
    assert message in err
