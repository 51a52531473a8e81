"""Each rule of each regime, on trades that it binds and on trades that it does not."""

import numpy as np
import pytest

from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.regime import STATUSES, CheckSettings, EmirMethod, RegimeJudgement
from core.domains.etrm.compliance.regimes import REGIMES, regimes_named
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import NotFoundError, UsageError
from tests.core.domains.etrm.compliance.desk import trades

POWER = {"commodity": "POWER", "hub": "DE"}
US_GAS = {"commodity": "GAS_HH", "hub": "HH", "currency": "USD"}
FORWARD = {"instrument": "forward", "settlement": "physical"}


def judged(regime: str, *changes: dict, without: tuple[str, ...] = (), **settings) -> RegimeJudgement:
    columns = TradeColumns.of(trades(*changes, without=without))
    ((_, judgement),) = check_trades(columns, regimes=[regime], settings=CheckSettings(**settings)).judgements
    return judgement


def statuses(judgement: RegimeJudgement) -> list[str]:
    return [STATUSES[code].value for code in judgement.status]


def said(judgement: RegimeJudgement) -> list[str]:
    return [judgement.reasons[code] for code in judgement.reason]


def test_regimes_are_named_in_the_order_of_the_list():
    assert [regime.name for regime in REGIMES] == ["remit", "emir", "mifid2", "dodd-frank"]
    assert [regime.name for regime in regimes_named(["EMIR", "remit"])] == ["remit", "emir"]
    with pytest.raises(NotFoundError, match="no regime 'basel'; known: remit, emir, mifid2, dodd-frank"):
        regimes_named(["basel"])


# --- scope --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "in_scope"),
    [
        ({}, True),
        (POWER | {"instrument": "spot", "venue": "exchange"}, True),
        ({"commodity": "power", "hub": "it"}, True),
        ({"commodity": "LNG_JKM", "hub": "DES NWE"}, True),
        ({"commodity": "LNG_JKM", "hub": "JKM"}, False),
        ({"hub": "NBP"}, False),
        (POWER | {"hub": "PJM"}, False),
        ({"commodity": "CRUDE", "hub": "BRENT"}, False),
        ({"commodity": "CARBON", "hub": "EUA"}, False),
        (US_GAS, False),
    ],
)
def test_remit_binds_power_gas_and_lng_delivered_in_the_union(change, in_scope):
    assert (statuses(judged("remit", change)) == ["reported"]) == in_scope


@pytest.mark.parametrize(
    ("change", "in_scope"),
    [
        ({}, True),
        ({"instrument": "future", "venue": "exchange"}, True),
        ({"instrument": "option", "venue": "OTC"}, True),
        ({"instrument": "spot"}, False),
        (FORWARD | {"venue": "OTF"}, False),  # carved out: a wholesale energy product that must be delivered
        (FORWARD | POWER | {"venue": "OTF"}, False),
        (FORWARD | {"commodity": "LNG_JKM", "hub": "DES_NWE", "venue": "OTF"}, False),
        (FORWARD | {"venue": "OTC"}, False),
        (FORWARD | {"venue": "exchange"}, True),
        (FORWARD | {"hub": "NBP", "venue": "OTF"}, True),  # not delivered in the Union: REMIT does not bind it
        (FORWARD | US_GAS | {"venue": "OTF"}, True),
        (FORWARD | {"commodity": "CRUDE", "hub": "BRENT", "venue": "OTF"}, True),
        (FORWARD | {"commodity": "COAL_API2", "hub": "ARA", "venue": "OTF"}, True),
        (FORWARD | {"commodity": "CRUDE", "hub": "BRENT", "venue": "OTC"}, False),
        (FORWARD | {"commodity": "CARBON", "hub": "EUA", "venue": "OTF"}, True),
        (FORWARD | {"commodity": "CARBON", "hub": "EUA", "venue": "OTC"}, True),
        ({"commodity": "CARBON", "hub": "EUA", "instrument": "spot"}, False),
        (FORWARD | {"settlement": "cash"}, True),
        (US_GAS, True),
        ({"commodity": "CRUDE", "hub": "BRENT"}, True),
        ({"hub": "SOMEWHERE"}, True),  # a derivative is one wherever it delivers
    ],
)
def test_emir_binds_derivatives(change, in_scope):
    assert (statuses(judged("emir", change)) == ["reported"]) == in_scope


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (US_GAS, "reported"),
        (US_GAS | {"instrument": "option", "venue": "OTC"}, "reported"),
        (US_GAS | {"instrument": "option", "venue": "exchange"}, "limited"),
        (US_GAS | {"instrument": "future", "venue": "exchange"}, "limited"),
        (US_GAS | {"instrument": "future", "venue": "exchange", "hedge_flag": True}, "exempt"),
        (POWER | {"hub": "PJM"}, "reported"),
        (POWER | {"hub": "PJM", "instrument": "future", "venue": "exchange"}, "out_of_scope"),
        (US_GAS | {"instrument": "spot"}, "out_of_scope"),
        (US_GAS | FORWARD | {"venue": "OTF"}, "out_of_scope"),  # a sale for deferred delivery
        (US_GAS | FORWARD | {"venue": "OTC"}, "out_of_scope"),
        (US_GAS | FORWARD | {"venue": "exchange"}, "limited"),
        (US_GAS | {"instrument": "forward", "settlement": "cash"}, "reported"),
        (US_GAS | {"hub": "AECO"}, "out_of_scope"),
        ({}, "out_of_scope"),
    ],
)
def test_dodd_frank_binds_swaps_and_limited_contracts_of_the_united_states(change, status):
    assert statuses(judged("dodd-frank", change)) == [status]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "limited"),
        ({"hedge_flag": True}, "exempt"),
        ({"hub": "THE"}, "out_of_scope"),
        ({"instrument": "spot"}, "out_of_scope"),
        (US_GAS, "out_of_scope"),
    ],
)
def test_mifid_limits_ttf_and_exempts_hedges(change, status):
    assert statuses(judged("mifid2", change)) == [status]


def test_late_reports_of_forwards_on_allowances_oil_and_coal_are_found():
    late = FORWARD | {"trade_ts": "2024-01-05T11:12:00", "reported_ts": "2024-06-05T11:00:00"}
    found = judged(
        "emir",
        late | {"commodity": "CARBON", "hub": "EUA", "venue": "OTC"},
        late | {"commodity": "CRUDE", "hub": "BRENT", "venue": "OTF"},
        late | {"commodity": "COAL_API2", "hub": "ARA", "venue": "OTF", "reported_ts": None},
    )
    assert statuses(found) == ["late", "late", "unreported"]


# --- deadlines ----------------------------------------------------------------------------------------------------
def test_a_standard_contract_is_due_the_next_working_day_and_another_within_a_month():
    friday = {"trade_ts": "2024-03-08T15:00:00"}
    found = judged("remit", friday | {"venue": "exchange"}, friday | {"venue": "OTC"})
    assert [str(due) for due in found.due] == ["2024-03-11T23:59:59", "2024-04-08T23:59:59"]


def test_the_calendar_is_that_of_the_regime():
    thanksgiving = {"trade_ts": "2024-11-27T15:00:00"}
    easter = {"trade_ts": "2024-03-28T15:00:00"}
    assert [str(due) for due in judged("dodd-frank", US_GAS | thanksgiving, US_GAS | easter).due] == [
        "2024-11-29T23:59:59",
        "2024-03-29T23:59:59",
    ]
    assert [str(due) for due in judged("emir", thanksgiving, easter).due] == [
        "2024-11-28T23:59:59",
        "2024-04-02T23:59:59",
    ]


@pytest.mark.parametrize("regime", ["remit", "emir", "dodd-frank"])
def test_a_report_is_late_from_the_second_after_its_due_time(regime):
    scope = {**POWER, "hub": "PJM"} if regime == "dodd-frank" else POWER
    found = judged(
        regime, *(scope | {"reported_ts": f"2024-03-0{time}"} for time in ("6T23:59:59", "7T00:00:00", "5T10:00:01"))
    )
    assert statuses(found) == ["reported", "late", "reported"]
    assert (found.violations > 0).tolist() == [False, True, False]


def test_a_trade_without_a_report_is_pending_until_its_due_time():
    silent = {"reported_ts": None}
    later = {"trade_ts": "2024-03-09T10:00:00", "reported_ts": "2024-03-09T11:00:00"}
    found = judged("emir", silent, silent | {"trade_ts": "2024-03-08T10:00:00"}, later)
    assert statuses(found) == ["unreported", "pending", "reported"]
    assert said(found)[0] == "no report by its due time"
    found = judged("emir", silent, as_of=np.datetime64("2024-03-06T12:00:00"))
    assert statuses(found) == ["pending"]


def test_a_file_without_report_times_leaves_lateness_open_and_says_so():
    found = judged("emir", {}, without=("reported_ts",))
    assert statuses(found) == ["not_judged"]
    assert not found.violations.any()
    assert "the column reported_ts is missing, so nobody can say which trades were reported late" in found.notes
    assert not np.isnat(found.due[0])


def test_a_trade_without_its_time_is_not_judged():
    assert statuses(judged("emir", {"trade_ts": None}, {})) == ["not_judged", "reported"]


def test_a_report_before_the_trade_is_noted():
    assert (
        "1 trades have a report that is older than the trade"
        in judged("emir", {"reported_ts": "2024-03-05T09:00:00"}).notes
    )


# --- identifiers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lei", ["", None, "SYN00000000000000129", "syn00000000000000128", "SHORT", "=1+1"])
@pytest.mark.parametrize("regime", ["remit", "emir"])
def test_a_counterparty_without_a_valid_lei_is_a_violation(regime, lei):
    found = judged(regime, {"lei_like": lei}, {})
    assert (found.violations > 0).tolist() == [True, False]
    assert said(found)[0] == "the counterparty has no valid LEI"


def test_a_derivative_without_an_identifier_of_its_own_is_a_violation():
    assert (judged("emir", {"uti": " "}, {}).violations > 0).tolist() == [True, False]
    assert not judged("remit", {"uti": " "}, {}).violations.any()


def test_trades_outside_the_scope_have_no_violations():
    found = judged("emir", {"instrument": "spot", "lei_like": None, "uti": None, "reported_ts": "2025-01-01T00:00:00"})
    assert not found.violations.any()
    assert np.isnat(found.due[0])


# --- thresholds ---------------------------------------------------------------------------------------------------
LARGE = {"quantity_units": 1e8, "price": 50.0, "trade_ts": "2023-01-10T10:00:00", "delivery_end": "2024-12-31"}


LAST = {"trade_ts": "2023-12-29T10:00:00", "quantity_units": 0.0}


YEAR_END = np.datetime64("2023-12-31T18:00:00")


def clearing(*changes: dict, **settings) -> float:
    return judged("emir", *changes, LAST, **{"as_of": YEAR_END, **settings}).thresholds[0].value


def test_the_clearing_threshold_averages_twelve_month_ends():
    assert clearing(LARGE) == 5e9
    assert clearing(LARGE | {"trade_ts": "2023-07-03T10:00:00"}) == 2.5e9
    # Delivered by 31 March: outstanding at the ends of January and February.
    assert clearing(LARGE | {"delivery_end": "2023-03-30"}) == pytest.approx(5e9 * 2 / 12)


def test_the_clearing_threshold_leaves_out_hedges_exchanges_and_cancelled_trades():
    for change in ({"hedge_flag": True}, {"venue": "exchange"}, {"status": "cancelled"}, {"instrument": "spot"}):
        assert clearing(LARGE | change) == 0


def test_the_method_decides_whether_cleared_positions_count():
    cleared = LARGE | {"cleared": True}
    assert clearing(cleared) == 5e9
    assert clearing(cleared, emir_method=EmirMethod.UNCLEARED) == 0
    assert clearing(LARGE, emir_method=EmirMethod.UNCLEARED) == 5e9


def test_a_firm_above_four_billion_is_nfc_plus():
    below, above = LARGE | {"price": 40.0}, LARGE | {"price": 40.01}
    assert not judged("emir", below, LAST, as_of=YEAR_END).thresholds[0].is_exceeded
    assert judged("emir", above, LAST, as_of=YEAR_END).thresholds[0].is_exceeded


def test_a_position_is_over_on_the_month_end_on_which_its_delivery_ends():
    # One swap a month, of the next month each: at every month end exactly one is outstanding.
    rolled = [
        {
            "trade_ts": f"{month}-10T10:00:00",
            "delivery_start": f"{month + 1}-01",
            "delivery_end": str((month + 2).astype("datetime64[D]") - 1),
            "quantity_units": 3e7,
            "price": 70.0,
        }
        for month in np.arange("2023-01", "2024-02", dtype="datetime64[M]")
    ]
    found = judged("emir", *rolled, as_of=np.datetime64("2024-01-10T10:00:00")).thresholds[0]
    assert (found.value, found.verdict) == (pytest.approx(2.1e9), "not_exceeded")
    assert clearing(LARGE | {"delivery_end": "2023-03-31"}) == pytest.approx(5e9 * 2 / 12)


def test_the_last_month_is_that_of_the_check_and_later_trades_do_not_count_yet():
    swap = {"trade_ts": "2024-01-15T09:00:00", "reported_ts": "2024-01-15T10:00:00", "delivery_end": "2025-12-31"}
    large = swap | {"quantity_units": 4e10 / 70, "price": 70.0}
    found = judged("emir", large, as_of=np.datetime64("2024-12-31T00:00:00")).thresholds[0]
    assert (found.value, found.verdict, found.gap) == (pytest.approx(4e10), "exceeded", "")
    assert judged("emir", large, as_of=np.datetime64("2024-01-14")).thresholds[0].value == 0
    sold = US_GAS | swap | {"quantity_units": 4e9, "price": 3.0}
    for day, value in (("2024-01-14", 0.0), ("2025-01-14", 1.2e10), ("2025-01-15", 0.0)):
        assert judged("dodd-frank", sold, as_of=np.datetime64(day)).thresholds[0].value == pytest.approx(value)


def test_a_file_that_does_not_know_the_twelve_months_decides_nothing():
    swap = {"trade_ts": "2024-01-15T09:00:00", "reported_ts": "2024-01-15T10:00:00", "delivery_end": "2025-12-31"}
    found = judged("emir", swap | {"quantity_units": 4e10 / 70, "price": 70.0}).thresholds[0]
    assert (found.value, found.verdict) == (pytest.approx(4e10 / 12), "undecided")
    assert found.gap == "11 of the 12 month ends lie before the first trade, 2024-01-15"
    # what is unknown can only add to the figure: above the threshold is above it
    assert judged("emir", swap | {"quantity_units": 1e9, "price": 70.0}).thresholds[0].verdict == "exceeded"
    dealt = judged("dodd-frank", US_GAS | swap).thresholds[0]
    assert (dealt.verdict, dealt.gap) == (
        "undecided",
        "the file begins on 2024-01-15, and the 12 months on 2023-01-16",
    )
    whole = judged("emir", LARGE | {"price": 1.0}, LAST, as_of=YEAR_END).thresholds[0]
    assert whole.verdict == "not_exceeded"
    assert judged("emir", LARGE | {"price": None}, LAST, as_of=YEAR_END).thresholds[0].verdict == "undecided"


def test_amounts_are_converted_at_the_given_rates_and_unknown_currencies_are_counted():
    assert clearing(LARGE | {"currency": "usd"}, eur_per_unit={"USD": 0.5}) == 2.5e9
    found = judged("emir", LARGE | {"currency": "XXX"}, LARGE | {"price": None}).thresholds[0]
    assert (found.value, found.n_left_out) == (0, 2)


def test_the_notional_of_an_option_is_that_of_its_strike():
    assert clearing(LARGE | {"instrument": "option", "price": 1.0, "strike": 25.0}) == 2.5e9


def test_a_dealer_of_swaps_is_measured_over_twelve_months_in_dollars():
    swap = US_GAS | {"quantity_units": 1e9, "price": 3.0}
    changes = [{"trade_ts": f"{day}T10:00:00"} for day in ("2023-03-05", "2023-03-06", "2024-03-05")]
    found = judged("dodd-frank", *(swap | change for change in changes)).thresholds[0]
    assert (found.value, found.is_exceeded, found.unit) == (pytest.approx(6e9), False, "USD")
    assert judged("dodd-frank", *(swap for _ in range(3))).thresholds[0].is_exceeded


def test_a_rate_that_is_none_is_refused():
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="the rate of USD"):
            CheckSettings(eur_per_unit={"USD": rate})


# --- missing columns ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("regime", [regime.name for regime in REGIMES])
def test_every_column_may_be_missing_and_is_named_if_it_decides(regime):
    full = trades(POWER, US_GAS, {}, {"instrument": "future", "venue": "exchange"})
    for column in [name for name in full if name not in ("trade_id", "trade_ts", "commodity", "hub", "instrument")]:
        found = check_trades(TradeColumns.of(full.drop(columns=column)), regimes=[regime])
        assert len(found.violations) == 4
    bare = full[["trade_id", "trade_ts", "commodity", "hub", "instrument"]]
    found = check_trades(TradeColumns.of(bare), regimes=[regime])
    assert any("is missing" in note for note in found.notes)
    assert not found.has_findings


def test_an_essential_column_is_refused_if_it_is_missing():
    with pytest.raises(UsageError, match="the column hub is missing"):
        TradeColumns.of(trades({}, without=("hub",)))


def test_a_column_of_another_kind_is_refused_by_name():
    for column, value in (("price", "many"), ("cleared", "perhaps"), ("trade_ts", "yesterday"), ("quantity_lots", [1])):
        with pytest.raises(UsageError, match=f"column {column}"):
            TradeColumns.of(trades({column: value}))


def test_words_that_no_rule_knows_are_counted_with_an_example():
    found = check_trades(TradeColumns.of(trades({"hub": "Zeebrugge\x1b"}, {"side": "hold"}, {"venue": None})))
    assert "1 trades have a hub that no rule knows, such as 'Zeebrugge\\x1b'" in found.notes
    assert "1 trades have a side other than buy and sell, and count in no position" in found.notes
    assert "1 trades have no venue" in found.notes
