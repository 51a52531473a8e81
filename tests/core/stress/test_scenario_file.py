"""Users' scenarios in YAML: what they may say, and every fault with its line and column."""

import re

import pytest

from core.domains.stress import shock_at
from core.settings.errors import SettingsError
from core.stress.choosing import all_scenarios, chosen_scenarios, stress_engine
from core.stress.scenario_file import check_scenarios, read_scenarios

ENGINE = stress_engine("bonds")
SOUND = """
scenarios:
  thin_market:
    title: Rates up in a thin market
    summary: As it was in a bad week.
    horizon_months: 12
    half_life_months: 6
    shocks:
      cycle: [0.5, 1.5, 2.5]
      parallel_bps: 100
      fx: {EUR: [-0.05, -0.1, -0.15], GBP: -0.02}
      sector_ln_spread: {energy: 0.4}
  both:
    combine: [thin_market, global_liquidity_freeze]
  bad_year:
    half_life_months: 3
    sequence:
      - {month: 0, scenario: rates_up}
      - month: 6
        shocks: {spread_bps: 200}
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "scenarios.yaml"
        path.write_text(text)
        return path

    return write


def test_a_field_has_one_value_for_all_severities_or_one_for_each(written):
    thin = read_scenarios(written(SOUND), ENGINE)[0]
    assert [shock.cycle for shock in thin.steps[0].ladder] == [0.5, 1.5, 2.5]
    assert [shock.parallel_bps for shock in thin.steps[0].ladder] == [100, 100, 100]
    assert [shock.fx for shock in thin.steps[0].ladder][2] == {"EUR": -0.15, "GBP": -0.02}
    assert (thin.title, thin.months) == ("Rates up in a thin market", (0.0, 12.0))


def test_scenarios_are_combined(written):
    both = read_scenarios(written(SOUND), ENGINE)[1].steps[0].ladder
    freeze = next(s for s in ENGINE.scenarios if s.name == "global_liquidity_freeze").steps[0].ladder
    assert [shock.cycle for shock in both] == [shock.cycle for shock in freeze]
    assert [shock.parallel_bps for shock in both] == [100, 100, 100]


def test_the_blows_of_a_sequence_fall_one_after_the_other_and_fade(written):
    year = read_scenarios(written(SOUND), ENGINE)[2]
    assert year.months == (0.0, 6.0)
    assert shock_at(ENGINE, year, "severe", 0.0).spread_bps == 0
    late = shock_at(ENGINE, year, "severe", 6.0)
    assert (late.spread_bps, late.parallel_bps) == (200, 300 / 4)


def test_own_scenarios_stand_beside_those_of_the_domain(written):
    known = all_scenarios(ENGINE, [written(SOUND)])
    assert len(known) == len(ENGINE.scenarios) + 3
    assert [s.name for s in chosen_scenarios(known, ["custom", "inflation"])] == [
        "thin_market", "both", "bad_year", "inflation"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"scenarios must be a block"),
        ("scenarios: 3", r"line 1, column 1: scenarios must be a block"),
        ("scenarios:\n  a: 3", r"line 2, column 3: a scenario must be a block"),
        ("scenarios:\n  A b:\n    shocks: {cycle: 1}", r"line 2, column 3: 'A b' is no name"),
        ("scenarios:\n  inflation:\n    shocks: {cycle: 1}", r"inflation.* is a scenario of the domain"),
        ("scenarios:\n  a: {title: x}", r"needs exactly one of shocks, combine, sequence"),
        ("scenarios:\n  a:\n    sequence: [{scenario: [rates_up]}]", r"line 3, column 17: .* is no scenario known"),
        ("scenarios:\n  a:\n    shocks: {}", r"line 3, column 5: no shock is named"),
        ("scenarios:\n  a:\n    shocks:\n      cycel: 1", r"line 4, column 7: 'cycel' is no key of a shock"),
        ("scenarios:\n  a:\n    shocks:\n      cycle: lots", r"line 4, column 7: cycle is 'lots': expected a number"),
        ("scenarios:\n  a:\n    shocks:\n      cycle: 90", r"line 4, column 7: cycle is '90': expected a number <= 6"),
        ("scenarios:\n  a:\n    shocks:\n      cycle: [1, 90, 2]", r"line 4, column 7.*\(at moderate\)"),
        ("scenarios:\n  a:\n    shocks:\n      cycle: [1, 2]", r"line 4, column 7: cycle is a list of 2: give three"),
        ("scenarios:\n  a:\n    shocks:\n      fx: {XYZ: 1}", r"fx: 'XYZ' is not known; known: USD, EUR"),
        ("scenarios:\n  a:\n    shocks:\n      fx: {USD: 1}", r"USD is the currency"),
        ("scenarios:\n  a:\n    combine: [rates_up]", r"a list of two scenarios or more"),
        ("scenarios:\n  a:\n    combine: [rates_up, nope]", r"line 3, column 25: 'nope' is no scenario known here"),
        (
            "scenarios:\n  a:\n    sequence: [{scenario: rates_up, shocks: {cycle: 1}}]",
            r"exactly one of scenario, shocks",
        ),
        (
            "scenarios:\n  a:\n    sequence: [{month: 3, scenario: rates_up}, {month: 3, scenario: rates_up}]",
            r"each step is later",
        ),
        (
            "scenarios:\n  a:\n    horizon_months: -1\n    shocks: {cycle: 1}",
            r"line 3, column 5: horizon_months is '-1'",
        ),
        ("scenarios: {a: {horizon_months: .nan, shocks: {cycle: 1}}}", r"horizon_months is '.nan'"),
        ("scenarios: &x\n  a: 1", r"anchors"),
        ("scenarios: [", r"not valid YAML"),
    ],
)
def test_a_fault_is_named_with_its_place(written, text, message):
    with pytest.raises(SettingsError, match=message):
        read_scenarios(written(text), ENGINE)


def test_every_fault_of_a_shock_is_found_at_once(written):
    text = (
        "scenarios:\n  a:\n    shocks:\n      cycle: .nan\n      parallel_bps: .inf\n      contagion: 99\n"
        "      fx: {XXX: }\n      sector_ln_spread: {nope: 1}\n      sector_notches: {energy: 1.5, banks: 2.5}\n"
    )
    _, faults = check_scenarios(written(text), ENGINE)
    told = "\n".join(map(str, faults))
    for line, name in ((4, "cycle"), (5, "parallel_bps"), (6, "contagion"), (7, "fx"), (8, "'nope' is not known")):
        assert re.search(rf"line {line}, .*{name}", told), (line, told)
    assert len(re.findall("line 9, .*sector_notches", told)) == 2
    assert len(faults) == 7


def test_an_unknown_key_hides_no_other_fault_of_its_shock(written):
    _, faults = check_scenarios(written("scenarios: {a: {shocks: {cylce: 1, parallel_bps: abc, fx: EURO}}}"), ENGINE)
    assert [word for word in ("cylce", "parallel_bps", "fx") if not any(word in str(fault) for fault in faults)] == []
    assert len(faults) == 3


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("all: {shocks: {cycle: 1}}", "'all' is a word for several scenarios"),
        ("custom: {shocks: {cycle: 1}}", "'custom' is a word for several scenarios"),
        ("a: {title: [1, 2], shocks: {cycle: 1}}", "title must be text"),
        ("a: {half_life_months: 3, shocks: {cycle: 1}}", "half_life_months does nothing without horizon_months"),
    ],
)
def test_a_scenario_that_would_not_be_what_it_says_is_refused(written, block, message):
    with pytest.raises(SettingsError, match=message):
        read_scenarios(written(f"scenarios: {{{block}}}"), ENGINE)


def test_a_scenario_that_refers_to_a_faulty_one_is_told_so(written):
    text = "scenarios:\n  thin:\n    shocks: {cycle: x}\n  b:\n    combine: [thin, rates_up]\n"
    _, (own, other) = check_scenarios(written(text), ENGINE)
    assert "cycle" in str(own)
    assert "'thin' has a fault of its own, or stands further below" in str(other)


def test_all_faults_of_a_file_are_found_at_once(written):
    text = "scenarios:\n  a:\n    shocks: {cycle: x}\n  b:\n    combine: [no]\n  c:\n    shocks: {cycle: 1}\n"
    sound, faults = check_scenarios(written(text), ENGINE)
    assert [scenario.name for scenario in sound] == ["c"]
    assert len(faults) == 2
    with pytest.raises(SettingsError, match=r"\(1 more: bondx stress check scenarios.yaml lists all\)"):
        read_scenarios(written(text), ENGINE)
