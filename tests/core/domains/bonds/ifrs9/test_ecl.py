"""Expected credit losses: a portfolio worked by hand, an independent computation, and what must hold of any."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core.domains.bonds.data.ratings import DEFAULT_RATE, DEFAULTED, N_LIVE, notch_index, notch_matrix
from core.domains.bonds.ifrs9 import CreditExposure, CreditStage, ecl_report, expected_loss, read_exposures, stage_of
from core.domains.bonds.ifrs9.calibration import SOURCES
from core.domains.bonds.ifrs9.losses import SCENARIOS, default_path, multiple, scenario_loss
from core.domains.calibrated import constants_in
from core.tables import TableError

BBB = CreditExposure(
    name="A", notch=notch_index("BBB"), origination_notch=notch_index("BBB"), ead=100.0, lgd=0.62, maturity=1.0, eir=0.0
)


def test_a_portfolio_worked_by_hand():
    # A, stage 1: BBB defaults with 0.14 % a year. The intensity is -ln(1 - 0.0014) = 0.00140098.
    #   base 0.0014, up 1 - exp(-0.7 x 0.00140098) = 0.00098020, down 1 - exp(-1.6 x 0.00140098) = 0.00223906
    #   62 x (0.5 x 0.0014 + 0.2 x 0.00098020 + 0.3 x 0.00223906) = 0.0972009
    # B, stage 3: rated D; 40 x 0.5 = 20, whatever the scenario.
    # C, stage 2 by 30 days past due, but of one year: the same as twelve months, discounted from the middle of the year
    #   at 21 %: 0.0972009 / sqrt(1.21) = 0.0883644
    a = BBB
    b = replace(BBB, name="B", notch=DEFAULTED, ead=40.0, lgd=0.5)
    c = replace(BBB, name="C", days_past_due=30.0, eir=0.21)
    report = ecl_report([a, b, c])
    assert [(each.name, each.stage) for each in report.exposures] == [("A", 1), ("B", 3), ("C", 2)]
    assert [each.loss for each in report.exposures] == pytest.approx([0.0972009, 20.0, 0.0883644], abs=2e-7)
    assert report.loss == pytest.approx(20.1855653, abs=5e-7)
    assert [(each.n, each.ead) for each in report.stages] == [(1, 100.0), (1, 100.0), (1, 40.0)]
    assert report.stages[2].coverage == 0.5
    assert report.scenarios["base"] == pytest.approx(62 * 0.0014 * (1 + 1 / 1.1) + 20, abs=1e-9)
    assert report.sensitivity["LGD +10 percentage points"] == pytest.approx((0.0972009 + 0.0883644) / 6.2 + 4, abs=1e-6)


def independent(exposure: CreditExposure, scenario: str, years: float) -> float:
    """The same by powers of the matrix and survival ratios, written apart from the code under test."""
    whole = math.ceil(years)
    survival = [1 - np.linalg.matrix_power(notch_matrix(), year)[exposure.notch, -1] for year in range(whole + 1)]
    alive, loss = 1.0, 0.0
    for year in range(1, whole + 1):
        part = min(1.0, years - (year - 1))
        ratio = (survival[year] / survival[year - 1]) ** (part * multiple(scenario, year))
        middle = year - 1 + part / 2
        loss += alive * (1 - ratio) * exposure.lgd * exposure.ead / (1 + exposure.eir) ** middle
        alive *= ratio
    return loss


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("rating", ["AAA", "BBB-", "B", "CC"])
@pytest.mark.parametrize("years", [0.3, 1.0, 4.7, 30.0])
def test_the_lifetime_loss_is_that_of_an_independent_computation(scenario, rating, years):
    exposure = replace(BBB, notch=notch_index(rating), maturity=years, eir=0.043)
    found = scenario_loss(exposure, CreditStage.RISEN, scenario)
    assert found == pytest.approx(independent(exposure, scenario, years), rel=1e-9)


@pytest.mark.parametrize("notch", range(N_LIVE))
def test_the_twelve_month_pd_of_the_base_path_is_that_of_the_matrix(notch):
    ((_, _, pd),) = default_path(notch, 1.0, "base")
    assert pd == pytest.approx(DEFAULT_RATE[notch], rel=1e-12)


@pytest.mark.parametrize("years", [0.5, 1.0, 3.3, 10.0])
def test_the_loss_rises_with_each_notch_and_stage_2_is_at_least_stage_1(years):
    exposures = [replace(BBB, notch=notch, maturity=years, eir=0.03) for notch in range(N_LIVE)]
    for stage in (CreditStage.PERFORMING, CreditStage.RISEN):
        losses = [expected_loss(each, stage) for each in exposures]
        assert losses[:-2] == sorted(losses[:-2])  # CC and C have the same yearly rate
    for each in exposures:
        ladder = [expected_loss(each, stage) for stage in CreditStage]
        assert ladder == sorted(ladder)


def test_the_scenarios_are_ordered_and_the_weighted_loss_lies_between_them():
    each = replace(BBB, maturity=5.0, eir=0.03)
    up, base, down = (scenario_loss(each, CreditStage.RISEN, name) for name in ("up", "base", "down"))
    assert up < base < down
    assert expected_loss(each, CreditStage.RISEN) == pytest.approx(0.5 * base + 0.2 * up + 0.3 * down)


@pytest.mark.parametrize(
    ("change", "stage", "reason"),
    [
        pytest.param({}, 1, "no significant increase", id="as at origination"),
        pytest.param({"notch": notch_index("BB+")}, 1, "no significant", id="two notches, investment grade"),
        pytest.param(
            {"origination_notch": 0, "notch": notch_index("AA")}, 2, "lifetime PD 3.8 times", id="lifetime PD"
        ),
        pytest.param({"notch": notch_index("BB")}, 2, "3 notches below", id="three notches"),
        pytest.param(
            {"origination_notch": notch_index("BB+"), "notch": notch_index("BB-")},
            2,
            "2 notches",
            id="two, speculative",
        ),
        pytest.param({"is_watched": True}, 2, "watch negative", id="watch negative"),
        pytest.param({"days_past_due": 29.0}, 1, "no significant", id="29 days"),
        pytest.param({"days_past_due": 30.0}, 2, "30 days", id="30 days"),
        pytest.param({"days_past_due": 90.0}, 3, "90 days", id="90 days"),
        pytest.param({"is_impaired": True}, 3, "credit-impaired", id="impaired"),
        pytest.param({"notch": DEFAULTED}, 3, "rated D", id="rated D"),
    ],
)
def test_the_stage_follows_from_rating_payment_and_watch(change, stage, reason):
    import re

    found = stage_of(replace(BBB, **change))
    assert found.stage == stage
    assert re.search(reason, found.reason)


def test_the_reconciliation_and_the_migration_add_up():
    exposures = [
        replace(BBB, name="same", previous_stage=1, previous_loss=0.09),
        replace(BBB, name="worse", days_past_due=40.0, previous_stage=1, previous_loss=0.09),
        replace(BBB, name="better", previous_stage=2, previous_loss=0.4),
        replace(BBB, name="new"),
    ]
    report = ecl_report(exposures)
    lines = {each.line: each.amount for each in report.reconciliation}
    inner = sum(amount for name, amount in lines.items() if name not in ("opening", "closing"))
    assert lines["opening"] == pytest.approx(0.58)
    assert lines["opening"] + inner == pytest.approx(lines["closing"]) == pytest.approx(report.loss)
    assert {(m.before, m.after): m.n for m in report.migration} == {
        ("1", 1): 1,
        ("1", 2): 1,
        ("2", 1): 1,
        ("new", 1): 1,
    }
    assert sum(move.ead for move in report.migration) == report.ead
    assert ecl_report([BBB]).reconciliation == ()


HEADER = (
    "exposure_id,rating,origination_rating,ead_musd,seniority,maturity_years,eir_pct,days_past_due,watch_negative\n"
)


def test_exposures_are_read_from_a_file(tmp_path):
    file = tmp_path / "book.csv"
    file.write_text(HEADER + "A,BBB,BBB,100,senior_unsecured,1,0,0,false\nB,D,BB,40,secured,2,4.5,120,true\n")
    first, second = read_exposures(file)
    assert first == BBB
    assert (second.notch, second.lgd, second.eir, second.is_watched) == (DEFAULTED, 0.46, 0.045, True)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        pytest.param("A,XYZ,BBB,100,secured,1,0,0,false", "'XYZ' is no rating", id="rating"),
        pytest.param("A,BBB,D,100,secured,1,0,0,false", "no rating at origination", id="rating at origination"),
        pytest.param("A,BBB,BBB,-5,secured,1,0,0,false", "outside 0 to", id="negative exposure"),
        pytest.param("A,BBB,BBB,100,unsecured,1,0,0,false", "Write secured, senior_unsecured", id="seniority"),
        pytest.param("A,BBB,BBB,100,secured,0,0,0,false", "outside", id="matured"),
        pytest.param("A,BBB,BBB,100,secured,1,0,-3,false", "outside 0 to", id="negative days"),
        pytest.param("B,BBB,BBB,100,secured,1,0,0,false", "is listed twice", id="twice"),
        pytest.param('A,BBB,BBB,"1,000",secured,1,0,0,false', "ead_musd", id="two readings"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path, row, complaint):
    file = tmp_path / "book.csv"
    file.write_text(HEADER + "B,BBB,BBB,100,senior_unsecured,1,0,0,false\n" + row + "\n")
    with pytest.raises(TableError, match=complaint) as refused:
        read_exposures(file)
    assert "book.csv" in str(refused.value)


def test_a_missing_column_is_named(tmp_path):
    file = tmp_path / "book.csv"
    file.write_text("exposure_id,rating\nA,BBB\n")
    with pytest.raises(TableError, match="the column origination_rating is missing"):
        read_exposures(file)


def test_every_constant_names_known_sources():
    from core.domains.bonds.ifrs9 import calibration

    for name, constant in constants_in(vars(calibration)).items():
        codes = [code.strip() for code in constant.source.split(",")]
        assert set(codes) <= SOURCES.keys(), name
