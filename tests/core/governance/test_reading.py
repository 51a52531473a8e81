"""Reading the log from its end, or up to an instant, without reading the rest."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actor import Actor, Origin
from core.governance import AuditFilter, audited
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


@pytest.fixture
def by_three(workspace, log):
    """One change a minute, by ada, by ben and by the engine in turn: first starts, then promotions."""
    actors = (ACTOR, Actor("ben", "desk", Origin.API, via="ci"), Actor.engine())
    for minute in range(9):
        at = T0 + timedelta(minutes=minute)
        with audited(workspace, "registry", actor=actors[minute % 3], clock=lambda at=at: at) as change:
            change.record("session.start" if minute < 3 else "version.promote", f"object {minute}")
    return log


@pytest.mark.parametrize(
    ("wanted", "minutes"),
    [
        pytest.param(AuditFilter(), [8, 7, 6, 5, 4, 3, 2, 1, 0], id="no filter finds all, the newest first"),
        pytest.param(AuditFilter(actor="Ada"), [6, 3, 0], id="a name without its host"),
        pytest.param(AuditFilter(actor="ben@desk via ci"), [7, 4, 1], id="a whole actor"),
        pytest.param(AuditFilter(actor="ci"), [7, 4, 1], id="a token"),
        pytest.param(AuditFilter(actor="ad"), [], id="half a name is another name"),
        pytest.param(AuditFilter(verb="promote", by_people=True), [7, 6, 4, 3], id="people, by the end of a verb"),
        pytest.param(AuditFilter(verb="session.*"), [2, 1, 0], id="a pattern"),
        pytest.param(AuditFilter(object="T 4"), [4], id="a part of an object"),
        pytest.param(
            AuditFilter(since=T0 + timedelta(minutes=2), until=T0 + timedelta(minutes=4)), [4, 3, 2], id="both ends"
        ),
    ],
)
def test_records_are_found_by_actor_verb_object_and_time(by_three, wanted, minutes):
    assert [record.object for record in by_three.search(wanted)] == [f"object {minute}" for minute in minutes]
    assert len(by_three.search(wanted, limit=2)) == min(2, len(minutes))


def test_the_next_change_by_a_person_is_found(by_three):
    wanted = AuditFilter(by_people=True)
    found = [by_three.next_change(wanted, T0 + timedelta(minutes=minute)) for minute in (-1, 1, 6, 7)]
    assert [record and record.object for record in found] == ["object 0", "object 3", "object 7", None]
