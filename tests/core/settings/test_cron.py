"""Schedules over changes of the clock, leap days, clocks that are set back, and downtime."""

from datetime import UTC, datetime, timedelta

import pytest

from core.settings.cron import CronSchedule

ZURICH = "Europe/Zurich"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(expression: str, zone: str, since: str, n: int) -> list[str]:
    schedule, found, now = CronSchedule(expression, zone), [], at(since)
    for _ in range(n):
        coming = schedule.next_after(now)
        assert coming is not None
        assert coming > now
        found.append(f"{coming:%Y-%m-%d %H:%M}")
        now = coming
    return found


def test_a_time_that_the_clock_skips_is_due_at_the_end_of_the_gap():
    assert due("30 2 * * *", ZURICH, "2026-03-28 00:00", 3) == [
        "2026-03-28 01:30",
        "2026-03-29 01:00",
        "2026-03-30 00:30",
    ]


def test_a_time_that_the_clock_repeats_is_due_once():
    assert due("30 2 * * *", ZURICH, "2026-10-24 12:00", 3) == [
        "2026-10-25 00:30",
        "2026-10-26 01:30",
        "2026-10-27 01:30",
    ]


@pytest.mark.parametrize("minute", range(0, 180, 5))
def test_from_every_minute_of_the_repeated_hour_the_next_time_lies_ahead(minute):
    now = at("2026-10-24 23:30") + timedelta(minutes=minute)
    coming = CronSchedule("30 2 * * *", ZURICH).next_after(now)
    assert coming == (at("2026-10-25 00:30") if now < at("2026-10-25 00:30") else at("2026-10-26 01:30"))


def test_a_schedule_of_every_hour_follows_the_hours_that_pass():
    assert due("0 * * * *", ZURICH, "2026-10-24 23:30", 4) == [
        "2026-10-25 00:00",
        "2026-10-25 01:00",
        "2026-10-25 02:00",
        "2026-10-25 03:00",
    ]


def test_a_leap_day_is_due_in_leap_years_only():
    assert due("0 12 29 2 *", "UTC", "2026-01-01 00:00", 2) == ["2028-02-29 12:00", "2032-02-29 12:00"]


def test_the_southern_hemisphere_changes_the_other_way():
    assert due("30 2 * * *", "Australia/Sydney", "2026-10-02 16:30", 2) == ["2026-10-03 16:00", "2026-10-04 15:30"]


def test_what_was_due_while_nobody_looked_is_due_once():
    schedule = CronSchedule("0 2 * * *", "UTC")
    assert schedule.is_due(at("2026-03-01 02:00"), at("2026-03-09 10:00")) == at("2026-03-02 02:00")
    assert schedule.is_due(at("2026-03-09 10:00"), at("2026-03-09 10:00")) is None


def test_a_clock_that_was_set_back_repeats_nothing():
    schedule = CronSchedule("0 2 * * *", "UTC")
    handled = at("2026-03-02 02:00")
    assert schedule.is_due(handled, at("2026-03-02 01:59")) is None
    assert schedule.is_due(handled, at("2026-03-02 02:01")) is None
    assert schedule.is_due(handled, at("2026-03-03 02:00")) == at("2026-03-03 02:00")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "five fields"),
        ("@daily", "five fields"),
        ("* * * * * *", "five fields"),
        ("61 * * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 2 * * someday", "bad day-of-week"),
    ],
)
def test_an_unreadable_schedule_is_refused_with_what_is_expected(expression, said):
    with pytest.raises(ValueError, match=said):
        CronSchedule(expression)


def test_an_unknown_zone_is_refused():
    with pytest.raises(ValueError, match="there is no time zone 'Europe/Zuerich'"):
        CronSchedule("0 2 * * *", "Europe/Zuerich")
