"""The views of a workspace: atomic, audited, and safe beside a second writer."""

import threading

import pytest

from core.actor import Actor, Origin
from core.errors import ConflictError, RefusedError
from core.governance import AuditLog
from core.saved_views import MOST_VIEWS, SavedViews, checked_view
from core.state import DocumentNotFoundError, StaleRevisionError, Workspace

ANA = Actor("ana", "desk", Origin.CONSOLE)
BEN = Actor("ben", "desk", Origin.API)


def view(name="desk", *panes):
    return checked_view(name, {"panes": list(panes) or ["alerts"]})


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "ws", settings_text="")


@pytest.fixture
def views(workspace):
    return SavedViews(workspace)


def test_a_workspace_without_views_has_no_file_of_them(workspace, views):
    assert views.all() == []
    assert not workspace.state_file("views").exists()


def test_a_saved_view_is_there_for_another_process_and_in_the_audit_log(workspace, views):
    saved = views.save([view("b"), view("a")], actor=ANA, reason="the desks")
    assert [each.revision for each in saved] == [1, 1]
    assert [each.name for each in SavedViews(Workspace.open(workspace.root)).all()] == ["a", "b"]
    records = [record for record in AuditLog(workspace).tail(50) if record.verb == "view.save"]
    assert [(record.object, record.actor, record.reason) for record in records] == [
        ("b", "ana@desk", "the desks"),
        ("a", "ana@desk", "the desks"),
    ]
    assert records[0].after == {"panes": ["alerts"]}


def test_a_view_is_replaced_only_where_that_is_wanted(views):
    views.save([view("a"), view("b")], actor=ANA)
    with pytest.raises(ConflictError, match=r"There is a view b already, by ana.*\. To replace it, give --replace"):
        views.save([view("c"), view("b", "models")], actor=BEN)
    assert [each.name for each in views.all()] == ["a", "b"], "all or none"
    views.save([view("b", "models")], actor=BEN, replace=True)
    assert (views.get("b").panes[0].pane, views.get("b").updated_by, views.get("b").revision) == (
        "models",
        "ben@desk",
        2,
    )


def test_a_change_that_rests_on_an_older_view_is_refused(views):
    views.save([view()], actor=ANA)
    views.save([view("desk", "models")], actor=BEN, replace=True, expected_revision=1)
    with pytest.raises(StaleRevisionError):
        views.save([view("desk", "drift")], actor=ANA, replace=True, expected_revision=1)
    with pytest.raises(StaleRevisionError):
        views.save([view("desk", "drift")], actor=ANA, replace=True, expected_revision=0)
    with pytest.raises(DocumentNotFoundError):
        views.save([view("other")], actor=ANA, replace=True, expected_revision=3)
    with pytest.raises(StaleRevisionError):
        views.delete("desk", actor=ANA, expected_revision=1)
    assert views.get("desk").panes[0].pane == "models"


def test_a_deleted_view_is_kept_by_the_audit_log(workspace, views):
    views.save([view("desk", "drift")], actor=ANA)
    views.delete("desk", actor=BEN, reason="moved")
    assert views.all() == []
    record = next(record for record in AuditLog(workspace).tail(50) if record.verb == "view.delete")
    assert (record.object, record.before, record.reason) == ("desk", {"panes": ["drift"]}, "moved")
    with pytest.raises(DocumentNotFoundError):
        views.delete("desk", actor=BEN)


def test_two_writers_lose_nothing(workspace):
    def save(letter):
        for n in range(10):
            SavedViews(workspace).save([view(f"{letter}{n}"), view("shared", "models")], actor=ANA, replace=True)

    threads = [threading.Thread(target=save, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    views = SavedViews(workspace)
    assert len(views.all()) == 21
    assert views.get("shared").revision == 20


def test_a_workspace_has_a_bounded_number_of_views(views):
    views.save([view(f"v{n}") for n in range(MOST_VIEWS)], actor=ANA)
    with pytest.raises(RefusedError, match="at most 200 views"):
        views.save([view("more")], actor=ANA)
    views.save([view("v7", "models")], actor=ANA, replace=True)
