"""Reasons and tags are kept for good, so every face refuses endless ones, and names the limit."""

import pytest

from core.actor import Actor, Origin
from core.errors import UsageError
from core.governance import AuditLog, audited
from core.text_limits import MAX_REASON, MAX_TAG_NAME, MAX_TEXT
from core.tracking import Runs, RunStatus, track

ANA = Actor("ana", "desk", Origin.API)
TOO_LONG = "x" * (MAX_REASON + 1)


def test_a_reason_of_a_person_has_a_limit(workspace):
    with audited(workspace, "registry", actor=ANA, reason="x" * MAX_REASON) as change:
        change.record("note.write", "a")
    with (
        pytest.raises(UsageError, match=r"^The reason has 501 characters; it must have at most 500\.$"),
        audited(workspace, "registry", actor=ANA, reason=TOO_LONG),
    ):
        pytest.fail("the change began")
    assert len(AuditLog(workspace).tail(10)) == 1


def test_what_the_engine_found_is_recorded_whole(workspace):
    with audited(workspace, "registry", actor=Actor.engine(), reason=TOO_LONG) as change:
        change.record("note.write", "a")
    (record,) = AuditLog(workspace).tail(1)
    assert record.reason == TOO_LONG


def test_a_run_that_fails_with_an_endless_error_ends_all_the_same(workspace):
    with pytest.raises(ValueError, match="x"), track(workspace, "mine", actor=ANA) as run:
        raise ValueError(TOO_LONG)
    assert Runs(workspace).get(run.run_id).status is RunStatus.FAILED
    record = AuditLog(workspace).tail(1)[0]
    assert (len(record.reason), record.reason[-1]) == (MAX_REASON, "…")


@pytest.mark.parametrize(
    "tags", [{"note": "x" * (MAX_TEXT + 1)}, {"x" * (MAX_TAG_NAME + 1): "yes"}], ids=["value", "name"]
)
def test_a_tag_of_a_run_has_a_limit(workspace, tags):
    with pytest.raises(UsageError, match="must have at most"), track(workspace, "mine", tags=tags, actor=ANA):
        pytest.fail("the run began")
    with track(workspace, "mine", actor=ANA) as run, pytest.raises(UsageError, match="must have at most"):
        run.set_tags(tags)
    assert Runs(workspace).get(run.run_id).tags == {}
