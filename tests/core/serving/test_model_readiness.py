"""Which models answer and which do not, and why, at every path where a probe or a client asks."""

import pytest

from core.serving.access import Role, Tokens

WHY = "downgrade 1.0.0 is in Production, but not ready: "


@pytest.fixture
def half(workspace, artifacts, put_live, running):
    """A server on which spread answers, and downgrade is damaged."""
    for name in ("spread", "downgrade"):
        put_live(workspace, name, artifacts / name)
    file = workspace.artifacts_dir / "downgrade" / "1.0.0" / "model.json"
    file.chmod(0o644)
    file.write_bytes(b"{}")
    with running(workspace) as server:
        yield server


def test_every_path_names_the_model_that_does_not_answer(half, workspace, ana):
    ready = half.ask("/ready")
    assert (ready.status, ready.json["models"]) == (200, {"downgrade": False, "spread": True})
    assert list(ready.json["not_ready"]) == ["downgrade"]
    why = ready.json["not_ready"]["downgrade"]
    assert why.startswith(WHY)

    health = half.ask("/health")
    assert (health.status, health.json) == (
        200,
        {"status": "up", "live": True, "ready": True, "not_ready": {"downgrade": why}},
    )
    one = half.ask("/v2/models/downgrade/ready")
    assert (one.status, one.json) == (503, {"name": "downgrade", "ready": False, "reason": why})
    version = half.ask("/v2/models/downgrade/versions/1.0.0/ready")
    assert (version.status, version.json["reason"]) == (503, why.replace("is in Production, but", "is"))
    assert half.ask("/v2/models/spread/versions/1.0.0/ready").json == {"name": "spread", "ready": True}
    assert half.ask("/v2/models/spread/versions/9.9.9/ready").status == 404

    state = half.ask("/v1/models/downgrade")
    assert (state.status, state.json["ready"], state.json["reason"]) == (503, False, why)
    listed = half.ask("/v1/models").json
    assert listed["models"] == ["downgrade", "spread"]
    assert listed["model_status"] == [half.ask(f"/v1/models/{model}").json for model in listed["models"]]
    states = [(one["name"], one["model_version_status"][0]["state"]) for one in listed["model_status"]]
    assert states == [("downgrade", "END"), ("spread", "AVAILABLE")]
    assert half.ask("/v2/models").json == {"models": ["downgrade", "spread"]}

    Tokens(workspace).create("probe", Role.VIEWER, actor=ana)
    stranger = {"x-forwarded-for": "203.0.113.7"}
    assert half.ask("/health", headers=stranger).json == {"status": "up", "live": True, "ready": True}
    assert half.ask("/ready", headers=stranger).json == {"status": "ready", "ready": True}


def test_the_openapi_document_describes_the_lists(half):
    paths = half.ask("/api/v1/openapi.json").json["paths"]
    answer = paths["/v1/models"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    status = answer["properties"]["model_status"]["items"]["properties"]["model_version_status"]["items"]
    assert status["properties"]["state"]["enum"] == ["START", "LOADING", "AVAILABLE", "END"]
    assert {"get"} == paths["/v2/models"].keys()
