"""How far versions are from answering, in the words of each protocol, and reasons without folders of this machine."""

import shutil
from pathlib import Path

import pytest

from core.errors import CoreError
from core.registry import Stage
from core.serving.dialects.open_inference_models import describe_repository
from core.serving.dialects.tf_serving import TfServing
from core.serving.errors import UnavailableError
from core.serving.public_reasons import reason_of
from core.serving.table import LoadedVersion, ServedModel, ServingTable
from tests.core.serving.in_process import serving
from tests.core.serving.test_hostile_models import get, server_answer

NUMBERS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")


def described(served, version=None):
    return TfServing.model_paths[0].describe(served, version)


def served(**facts):
    registered = dict.fromkeys(NUMBERS, Stage.STAGING)
    return ServedModel(model="m", registered=registered, loading=frozenset({"1.1.0"}), live="1.1.0", **facts)


LOADED = object.__new__(LoadedVersion)


def test_the_repository_names_every_state_and_its_reason():
    model = served(versions={"1.0.0": LOADED}, failures={"1.2.0": "its file is damaged"})
    _, entries = describe_repository({"m": model}, b"")
    assert [(entry["state"], entry["reason"]) for entry in entries] == [
        ("READY", ""),
        ("LOADING", "it is still being loaded"),
        ("UNAVAILABLE", "its file is damaged"),
        ("UNAVAILABLE", "registered, not loaded; a predict request with a token loads it"),
    ]
    assert len(describe_repository({"m": model}, b'{"ready": true}')[1]) == 1


def test_tensorflow_serving_has_a_state_for_each_and_v1_its_readiness_in_the_status():
    model = served(failures={"1.2.0": "its file is damaged"})
    status, content = described(model)
    assert (status, content["ready"]) == (503, False)
    states = [(one["version"], one["state"], one["status"]) for one in content["model_version_status"]]
    assert states == [
        ("1.1.0", "LOADING", {"error_code": "OK", "error_message": ""}),
        ("1.2.0", "END", {"error_code": "UNKNOWN", "error_message": "its file is damaged"}),
    ]
    assert described(model, "1.3.0")[1]["model_version_status"][0]["state"] == "START"
    ready = served(versions={"1.0.0": LOADED}, default=LOADED)
    assert (described(ready)[0], described(ready)[1]["ready"]) == (200, True)


def test_models_are_not_listed_as_none_before_the_registry_has_been_read():
    with pytest.raises(UnavailableError, match="still being loaded"):
        ServingTable().read_models()


def test_a_version_that_cannot_be_loaded_says_why_without_the_folders_of_this_machine(
    workspace, artifacts, register, tmp_path
):
    broken = shutil.copytree(artifacts / "spread", tmp_path / "broken")
    (broken / "model.json").write_text("{}")
    register(workspace, "spread", broken)
    with serving(workspace) as (server, _ask, until):
        until(lambda: server.table.models.get("spread") and server.table.models["spread"].failures, "the failure")
        why = "model.json is not a readable model header: it was written by another program"
        assert server.table.models["spread"].failures == {"1.0.0": why}
        assert server_answer(server, "/api/v1/predict/spread/versions/1.0.0", {"row": {}})[1]["error"] == (
            f"spread 1.0.0 is not ready: {why}."
        )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            CoreError("/srv/my bonds/artifacts/.staging/a1/model.json is damaged. Restore it."),
            "model.json is damaged. Restore it",
        ),
        (
            CoreError("See /opt/venv/lib/core/a.py, and 3/4 of http://localhost/x/y"),
            "See a.py, and 3/4 of http://localhost/x/y",
        ),
        (PermissionError(13, "Permission denied", "/srv/secret"), "Permission denied"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_reason_names_files_and_no_folders(error, reason):
    assert reason_of(error, Path("/srv/my bonds")) == reason


def test_the_control_api_names_files_as_seen_from_the_workspace(workspace):
    with serving(workspace) as (server, _ask, until):
        until(lambda: server.table.is_complete, "the table")
        (workspace.root / "state" / "registry.json").write_text("damaged")
        status, answer = get(server, "/api/v1/models")
        assert status == 503
        assert "registry.json" in answer["error"]
        assert str(workspace.root) not in answer["error"]
