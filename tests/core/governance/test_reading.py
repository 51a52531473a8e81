"""Reading the log from its end, or up to an instant, without reading the rest."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actor import Actor, Origin
from core.governance import audited
from core.governance.journal import Journal

ACTOR = Actor("ada", "desk", Origin.CONSOLE)

T0 = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)


@given(
    lines=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.booleans()), max_size=30),
    limit=st.integers(-1, 100),
)
def test_the_first_line_beyond_a_limit_is_found_whatever_the_lengths_and_the_damage(tmp_path_factory, lines, limit):
    journal = Journal(tmp_path_factory.mktemp("audit") / "audit.jsonl")
    total, content, expected = 0, b"", None
    for step, padding, is_damaged in lines:
        total += step
        line = b"%s %s\n" % (b"?" if is_damaged else b"%d" % total, b"x" * padding)
        if expected is None and not is_damaged and total > limit:
            expected = len(content)
        content += line
    journal.file.write_bytes(content)

    def is_beyond(line):
        number = line.partition(b" ")[0]
        return int(number) > limit if number.isdigit() else None

    found = journal.first_offset(is_beyond)
    # Damaged lines just before the first beyond the limit may fall on either side; nothing else lies between.
    expected = len(content) if expected is None else expected
    assert found <= expected
    assert all(line.startswith(b"?") for line in content[found:expected].splitlines())


@pytest.mark.parametrize("n", [1, 3, 50], ids=str)
def test_reading_up_to_an_instant_omits_later_records(workspace, log, n):
    for minute in range(12):
        at = T0 + timedelta(minutes=minute)
        with audited(workspace, "registry", actor=ACTOR, clock=lambda at=at: at) as change:
            change.record(f"verb.{minute}", "object")
    for minute in (-1, 0, 5, 11):
        until = T0 + timedelta(minutes=minute, seconds=30)
        expected = [f"verb.{each}" for each in range(minute + 1)][-n:]
        assert [record.verb for record in log.tail(n, until=until)] == expected
    assert [record.verb for record in log.tail(n)] == [f"verb.{each}" for each in range(12)][-n:]
