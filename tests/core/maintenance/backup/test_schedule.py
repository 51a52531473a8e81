from datetime import UTC, datetime, timedelta

import pytest

from core.maintenance.backup.schedule import RETRY, due_at, is_overdue

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("last_at", "failed_at", "due"),
    [
        pytest.param(None, None, NOON, id="the first is due at once"),
        pytest.param(NOON - HOUR, None, NOON + 5 * HOUR, id="the next is due a period after the last"),
        pytest.param(NOON - 9 * HOUR, None, NOON - 3 * HOUR, id="one that was missed is due at once"),
        pytest.param(None, NOON, NOON + RETRY, id="a failure is tried again after a pause"),
        pytest.param(NOON - HOUR, NOON - 2 * HOUR, NOON + 5 * HOUR, id="an old failure delays nothing"),
    ],
)
def test_a_backup_is_due_a_period_after_the_last_and_a_pause_after_a_failure(last_at, failed_at, due):
    assert due_at(6 * HOUR, last_at, failed_at, NOON) == due


def test_a_short_period_is_not_lengthened_by_a_failure():
    assert due_at(timedelta(minutes=2), None, NOON, NOON) == NOON + timedelta(minutes=2)


def test_a_backup_is_overdue_after_twice_the_period():
    assert not is_overdue(HOUR, NOON - 2 * HOUR, NOON, NOON)
    assert is_overdue(HOUR, NOON - 2 * HOUR - timedelta(seconds=1), NOON, NOON)
    assert is_overdue(HOUR, None, NOON - 3 * HOUR, NOON)
