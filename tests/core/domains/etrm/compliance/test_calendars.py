"""Working days against published calendars."""

import numpy as np
import pytest

from core.domains.etrm.compliance.calendars import (
    easter_sunday,
    end_of_working_day,
    federal_holidays,
    months_later,
    target_holidays,
    working_day_before,
)


def of_year(days: np.ndarray, year: int) -> list[str]:
    return sorted(str(day) for day in days if str(day).startswith(str(year)))


def test_target_closes_on_its_six_days():
    assert of_year(target_holidays(), 2024) == [
        "2024-01-01",
        "2024-03-29",
        "2024-04-01",
        "2024-05-01",
        "2024-12-25",
        "2024-12-26",
    ]


def test_federal_holidays_are_those_that_the_office_of_personnel_management_lists():
    assert of_year(federal_holidays(), 2024) == [
        "2024-01-01",
        "2024-01-15",
        "2024-02-19",
        "2024-05-27",
        "2024-06-19",
        "2024-07-04",
        "2024-09-02",
        "2024-10-14",
        "2024-11-11",
        "2024-11-28",
        "2024-12-25",
    ]
    # 4 July 2026 is a Saturday, 1 January 2023 a Sunday; the new year of 2022 fell on a Saturday.
    assert "2026-07-03" in of_year(federal_holidays(), 2026)
    assert "2023-01-02" in of_year(federal_holidays(), 2023)
    assert "2021-12-31" in of_year(federal_holidays(), 2021)
    assert "2020-06-19" not in of_year(federal_holidays(), 2020)


def test_easter_falls_between_22_march_and_25_april():
    known = {1818: "03-22", 1943: "04-25", 2000: "04-23", 2019: "04-21", 2038: "04-25", 2285: "03-22"}
    for year, day in known.items():
        assert str(easter_sunday(year)) == f"{year}-{day}"


@pytest.mark.parametrize(
    ("made", "due"),
    [
        ("2024-03-05T10:00:00", "2024-03-06T23:59:59"),
        ("2024-03-08T23:59:59", "2024-03-11T23:59:59"),  # Friday
        ("2024-03-09T10:00:00", "2024-03-11T23:59:59"),  # Saturday: Monday is the next working day
        ("2024-03-28T16:00:00", "2024-04-02T23:59:59"),  # before Easter
        ("2024-12-24T09:00:00", "2024-12-27T23:59:59"),
        ("NaT", "NaT"),
    ],
)
def test_a_report_is_due_at_the_end_of_the_next_working_day(made, due):
    found = end_of_working_day(np.array([made], dtype="datetime64[s]"), target_holidays())
    assert str(found[0]) == due


@pytest.mark.parametrize(
    ("made", "due"),
    [
        ("2024-01-31T10:00:00", "2024-02-29"),
        ("2023-01-31T10:00:00", "2023-02-28"),
        ("2024-03-05T00:00:00", "2024-04-05"),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last_of_the_month(made, due):
    assert str(months_later(np.array([made], dtype="datetime64[s]"), 1)[0]) == f"{due}T23:59:59"


def test_working_days_before_a_month_skip_weekends_and_holidays():
    month = np.array(["2024-04", "2024-07"], dtype="datetime64[M]")
    assert [str(day) for day in working_day_before(month, 1, target_holidays())] == ["2024-03-28", "2024-06-28"]
    assert [str(day) for day in working_day_before(month, 3, target_holidays())] == ["2024-03-26", "2024-06-26"]
