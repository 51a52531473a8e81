"""Who is on call: turns, weekdays, overrides, and the clock changes of a zone."""

from datetime import UTC, datetime, timedelta

import pytest

from core.alerts.escalation.listing import duties
from core.alerts.escalation.rotation import next_duty, on_call
from core.settings.alert_escalation import RotationOverrideSettings, RotationSettings


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def a_rotation(**changes):
    known = {"people": ["ada", "ben", "cyd"], "starts_on": "2026-03-02", "time_zone": "Europe/Zurich"}
    return RotationSettings(**{**known, **changes})


def override(starts_at, ends_at, receiver="dan"):
    return RotationOverrideSettings(starts_at=starts_at, ends_at=ends_at, receiver=receiver)


@pytest.mark.parametrize(
    ("when", "receiver", "until"),
    [
        pytest.param("2026-03-02T08:00+00:00", "ada", "2026-03-09T08:00+00:00", id="the first from the first handover"),
        pytest.param("2026-03-09T07:59:59+00:00", "ada", "2026-03-09T08:00+00:00", id="to the second"),
        pytest.param("2026-03-09T08:00+00:00", "ben", "2026-03-16T08:00+00:00", id="the next at the handover"),
        pytest.param("2026-03-23T08:00+00:00", "ada", "2026-03-30T07:00+00:00", id="09:00 stays 09:00 in summer"),
        pytest.param("2026-03-30T07:00+00:00", "ben", "2026-04-06T07:00+00:00", id="an hour earlier in UTC"),
        pytest.param("2026-03-30T06:59+00:00", "ada", "2026-03-30T07:00+00:00", id="and not before"),
        pytest.param("2026-10-25T12:00+00:00", "ada", "2026-10-26T08:00+00:00", id="and back in winter"),
    ],
)
def test_turns_change_at_the_local_time_of_the_handover(when, receiver, until):
    duty = on_call(a_rotation(), at(when))
    assert (duty.receiver, duty.ends_at, duty.is_override) == (receiver, at(until), False)


def test_nobody_is_on_call_before_the_rotation_begins():
    rotation = a_rotation()
    assert on_call(rotation, at("2026-03-02T07:59+00:00")) is None
    assert next_duty(rotation, at("2026-03-01T00:00+00:00"))[0] == at("2026-03-02T08:00+00:00")


@pytest.mark.parametrize(
    ("handover", "before", "first"),
    [
        pytest.param("02:30", "2026-03-29T01:29+00:00", "2026-03-29T01:30+00:00", id="skipped: after the change"),
        pytest.param("03:00", "2026-03-29T00:59+00:00", "2026-03-29T01:00+00:00", id="at the change itself"),
    ],
)
def test_a_handover_that_a_clock_change_skips_comes_after_it(handover, before, first):
    rotation = a_rotation(starts_on="2026-03-28", days=1, handover=handover)
    assert on_call(rotation, at(before)).receiver == "ada"
    assert on_call(rotation, at(first)).receiver == "ben"


def test_a_handover_that_occurs_twice_is_the_first():
    rotation = a_rotation(starts_on="2026-10-24", days=1, handover="02:30")
    assert on_call(rotation, at("2026-10-25T00:29+00:00")).receiver == "ada"
    for later in ("2026-10-25T00:30+00:00", "2026-10-25T01:30+00:00", "2026-10-26T01:29+00:00"):
        assert on_call(rotation, at(later)).receiver == "ben"


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_everyone_has_a_turn_of_the_same_local_length_throughout_the_year(zone):
    rotation = a_rotation(time_zone=zone, days=1, handover="00:00")
    began = on_call(rotation, at("2026-03-10T12:00+00:00")).ends_at
    people = ["ada", "ben", "cyd"]
    first = people.index(on_call(rotation, began).receiver)
    for n in range(400):
        duty = on_call(rotation, began)
        assert duty.receiver == people[(first + n) % 3]
        local = began.astimezone(rotation.zone)
        assert (local.hour, local.minute) == (0, 0)
        began = duty.ends_at


def test_a_weekday_moves_the_handover_and_keeps_the_first_on_call_from_the_first_date():
    rotation = a_rotation(starts_on="2026-03-04", weekday="monday")  # a Wednesday
    assert on_call(rotation, at("2026-03-04T07:59+00:00")) is None
    duty = on_call(rotation, at("2026-03-04T08:00+00:00"))
    assert (duty.receiver, duty.ends_at) == ("ada", at("2026-03-09T08:00+00:00"))
    assert on_call(rotation, duty.ends_at).ends_at == at("2026-03-16T08:00+00:00")


class TestOverrides:
    def test_somebody_takes_over_for_a_time_of_the_zone(self):
        rotation = a_rotation(overrides=[override("2026-07-01T09:00", "2026-07-01T18:00")])
        before = on_call(rotation, at("2026-07-01T06:59+00:00"))
        assert before.ends_at == at("2026-07-01T07:00+00:00")
        during = on_call(rotation, at("2026-07-01T07:00+00:00"))
        assert (during.receiver, during.ends_at, during.is_override) == ("dan", at("2026-07-01T16:00+00:00"), True)
        assert on_call(rotation, during.ends_at).receiver == before.receiver

    def test_of_several_the_last_counts(self):
        outer, inner = (
            override("2026-07-01T00:00Z", "2026-07-02T00:00Z"),
            override("2026-07-01T06:00Z", "2026-07-01T12:00Z", "eve"),
        )
        rotation = a_rotation(overrides=[outer, inner])
        receivers = [on_call(rotation, at(f"2026-07-01T{hour}:00+00:00")).receiver for hour in ("05", "06", "12")]
        assert receivers == ["dan", "eve", "dan"]
        assert on_call(rotation, at("2026-07-01T05:00+00:00")).ends_at == at("2026-07-01T06:00+00:00")

    def test_one_may_begin_before_the_rotation(self):
        rotation = a_rotation(overrides=[override("2026-02-01T00:00Z", "2026-02-02T00:00Z")])
        assert on_call(rotation, at("2026-02-01T12:00+00:00")).receiver == "dan"
        when, duty = next_duty(rotation, at("2026-02-01T12:00+00:00"))
        assert (when, duty.receiver) == (at("2026-03-02T08:00+00:00"), "ada")

    def test_one_of_years_ends_with_whoever_has_the_turn_then(self):
        rotation = a_rotation(days=1, overrides=[override("2026-04-01T00:00Z", "2036-04-01T00:00Z", "ada")])
        duty = on_call(rotation, at("2026-05-01T00:00+00:00"))
        assert duty.ends_at >= at("2036-04-01T00:00+00:00")
        assert on_call(rotation, duty.ends_at).receiver != "ada"


def test_a_person_alone_is_always_on_call():
    rotation = a_rotation(people=["ada"])
    assert on_call(rotation, at("2026-05-01T00:00+00:00")) == ("ada", None, False)
    assert next_duty(rotation, at("2026-05-01T00:00+00:00")) is None


def test_a_person_with_several_turns_in_a_row_stays_until_the_last():
    rotation = a_rotation(people=["ada", "ada", "ben"])
    assert on_call(rotation, at("2026-03-02T12:00+00:00")).ends_at == at("2026-03-16T08:00+00:00")


def test_the_list_says_who_is_next():
    now = at("2026-03-03T00:00+00:00")
    (found,) = duties({"desk": a_rotation()}, now)
    assert (found.rotation, found.receiver, found.next_receiver) == ("desk", "ada", "ben")
    assert found.until == found.next_at == at("2026-03-09T08:00+00:00")


@pytest.mark.parametrize("when", [datetime.min, datetime.max - timedelta(days=2)])
def test_the_ends_of_the_calendar_are_no_fault(when):
    duties({"desk": a_rotation(people=["ada", "ada", "ben"], days=366)}, when.replace(tzinfo=UTC))
