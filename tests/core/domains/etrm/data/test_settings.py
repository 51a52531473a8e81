from datetime import date, datetime

import pytest

from core.domains.etrm.data import ETRMDataConfig, ETRMDataConfigError
from core.errors import ExitCode


def test_the_defaults_are_those_of_the_guide():
    config = ETRMDataConfig()
    assert (config.num_trades, config.num_positions, config.num_risk_reports) == (1_000, 500, 100)
    assert len(config.commodities) == 7


def test_a_point_in_time_counts_as_its_day():
    config = ETRMDataConfig(start_date=datetime(2023, 1, 1, 12), end_date=datetime(2024, 12, 31))
    assert (config.start_date, config.end_date) == (date(2023, 1, 1), date(2024, 12, 31))
    assert type(config.start_date) is date


def test_choices_are_kept_in_the_order_of_the_calibration():
    assert ETRMDataConfig(commodities=["CARBON", "POWER", "POWER"]).commodities == ("POWER", "CARBON")


@pytest.mark.parametrize(
    ("bad", "place", "value", "cure"),
    [
        ({"num_trades": 0}, "num_trades", "0", "1 to 5,000,000"),
        ({"num_trades": 2.5}, "num_trades", "2.5", "whole number"),
        ({"num_trades": True}, "num_trades", "True", "whole number"),
        ({"num_positions": -1}, "num_positions", "-1", "0 to"),
        ({"num_risk_reports": "many"}, "num_risk_reports", "'many'", "whole number"),
        ({"random_seed": 2**63}, "random_seed", str(2**63), "from 0"),
        ({"price_seed": -1}, "price_seed", "-1", "from 0"),
        ({"start_date": "2023-01-01"}, "start_date", "'2023-01-01'", "Give a date"),
        ({"start_date": date(1900, 1, 1)}, "start_date", "1900-01-01", "from 1990-01-01"),
        ({"end_date": date(2022, 1, 1)}, "end_date", "2022-01-01", "later end_date"),
        ({"end_date": date(2090, 1, 1)}, "end_date", "2090-01-01", "shorter period"),
        (
            {"start_date": date(2023, 1, 7), "end_date": date(2023, 1, 8)},
            "2023-01-07 to 2023-01-08",
            "no weekday",
            "later end_date",
        ),
        ({"commodities": ()}, "commodities", "()", "POWER"),
        ({"commodities": "POWER"}, "commodities", "'POWER'", "a list"),
        ({"commodities": ["URANIUM"]}, "commodities", "'URANIUM'", "Known: POWER"),
        ({"regions": ["mars"]}, "regions", "'mars'", "Known: europe"),
        ({"commodities": ["POWER"], "regions": ["africa"]}, "POWER", "africa", "Add a region or a commodity"),
    ],
)
def test_a_bad_setting_is_refused_with_its_place_its_value_and_the_cure(bad, place, value, cure):
    with pytest.raises(ETRMDataConfigError) as refused:
        ETRMDataConfig(**bad)
    assert place in str(refused.value)
    assert value in str(refused.value)
    assert cure in str(refused.value)
    assert refused.value.exit_code == ExitCode.USAGE
