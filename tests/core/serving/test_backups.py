"""Backups over HTTP: only those of the settings, and only for those who may."""

import pytest

from core.actor import Actor, Origin
from core.serving.access import Role, Tokens


@pytest.fixture
def ana():
    return Actor("ana", "desk", Origin.API)


@pytest.fixture(autouse=True)
def settings(workspace):
    workspace.settings_file.write_text("backup: {to: ../safe}\n")


def test_a_backup_is_made_listed_and_verified_over_http(api, workspace):
    made = api.post("/api/v1/backups", json={"reason": "before the release"})
    assert made.status_code == 201, made.text
    backup_id = made.json()["backup_id"]
    assert [each["backup_id"] for each in api.get("/api/v1/backups").json()] == [backup_id]
    verdict = api.get(f"/api/v1/backups/{backup_id}/verification").json()
    assert (verdict["ok"], verdict["damage"]) == (True, [])
    assert api.get("/api/v1/backups/b-1/verification").status_code == 404


def test_backups_at_an_address_of_the_settings_are_made_listed_and_verified(api, workspace):
    address = f"file://{workspace.root.parent}/elsewhere"
    workspace.settings_file.write_text(f"backup: {{to: '{address}'}}\n")
    made = api.post("/api/v1/backups", json={})
    assert (made.status_code, made.json()["folder"]) == (201, address), made.text
    backup_id = made.json()["backup_id"]
    assert [each["backup_id"] for each in api.get("/api/v1/backups").json()] == [backup_id]
    assert api.get(f"/api/v1/backups/{backup_id}/verification").json()["ok"]


def test_a_caller_names_no_folder_and_no_key(api):
    assert api.post("/api/v1/backups", json={"to": "/tmp/elsewhere"}).status_code == 400
    assert api.post("/api/v1/backups", json={"key": "0" * 32}).status_code == 400


def test_only_administrators_make_backups_and_only_operators_see_them(workspace, ana, request):
    roles = {Role.VIEWER: 403, Role.OPERATOR: 404}  # 404: there is none yet
    secrets = {role: Tokens(workspace).create(role.value, role, actor=ana)[1] for role in roles}
    api = request.getfixturevalue("api")
    for role, status in roles.items():
        headers = {"authorization": f"Bearer {secrets[role]}"}
        assert api.get("/api/v1/backups", headers=headers).status_code == status
        assert api.post("/api/v1/backups", json={}, headers=headers).status_code == 403
