"""Saved views over HTTP."""

from core.governance import AuditLog

DESK = {"title": "Desk", "models": ["spread*"], "panes": ["alerts", {"pane": "models", "columns": ["model", "health"]}]}


def test_a_view_is_saved_read_and_deleted(api, workspace):
    assert api.get("/api/v1/views").json() == []
    saved = api.put("/api/v1/views/desk", json={**DESK, "reason": "new", "expected_revision": 0})
    assert (saved.status_code, saved.json()["revision"]) == (200, 1), saved.text
    assert api.get("/api/v1/views/desk").json()["panes"][1] == {"pane": "models", "columns": ["model", "health"]}
    assert [view["name"] for view in api.get("/api/v1/views").json()] == ["desk"]
    stale = api.put("/api/v1/views/desk", json={**DESK, "expected_revision": 7})
    assert stale.status_code == 409
    assert api.put("/api/v1/views/desk", json=DESK).json()["revision"] == 2
    assert api.delete("/api/v1/views/desk?reason=moved").status_code == 200
    assert api.get("/api/v1/views/desk").status_code == 404
    verbs = [(record.verb, record.reason) for record in AuditLog(workspace).tail(50) if record.object == "desk"]
    assert verbs == [("view.save", "new"), ("view.save", ""), ("view.delete", "moved")]


def test_a_fault_is_told_with_its_place(api):
    answer = api.put("/api/v1/views/desk", json={"panes": ["alerts", {"pane": "models", "columns": ["helth"]}]})
    assert answer.status_code == 400
    assert "desk.panes[1].columns[0]: 'helth' is no column of models; did you mean health?" in answer.text
    assert api.put("/api/v1/views/save", json=DESK).status_code == 400
    assert api.put("/api/v1/views/desk", json={"panes": "alerts"}).status_code == 400
    assert api.get("/api/v1/views").json() == []
