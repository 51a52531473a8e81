from pathlib import Path

import pytest
from msgspec.structs import replace

from core.actor import Actor
from core.alerts import Alerts
from core.alerts.alert import Severity
from core.errors import ExitCode
from core.files import digest
from core.registry import HashMismatchError, ModelVersion, Registry
from core.registry.documents import ModelVersion as Document
from core.registry.manifest import walk
from core.registry.private_copies import PrivateCopies
from core.state import Workspace


def tamper(workspace: Workspace, version: ModelVersion) -> Path:
    file = workspace.artifacts_dir / version.path / "trees" / "0.txt"
    file.chmod(0o644)
    file.write_text("lead\n")
    return file


def test_an_unchanged_version_is_loaded_without_an_alert(register, registry: Registry, workspace) -> None:
    version = register()
    copy, source = registry.load_path("spread", "1.0.0"), workspace.artifacts_dir / version.path
    assert {name: digest((copy / name).read_bytes()) for name, _ in walk(source)} == {
        name: digest((source / name).read_bytes()) for name, _ in walk(source)
    }
    assert [result.ok for result in registry.verify()] == [True]
    assert Alerts(workspace).all() == []


def test_a_path_that_was_returned_does_not_follow_a_later_change_of_the_files(register, registry, workspace) -> None:
    version = register()
    copy = registry.load_path("spread", "1.0.0")
    tamper(workspace, version)
    assert (copy / "trees" / "0.txt").read_text() == "leaf\n"
    assert copy.stat().st_mode & 0o077 == 0


def test_a_copy_that_somebody_changed_is_made_again(register, registry, workspace) -> None:
    register()
    first = registry.load_path("spread", "1.0.0")
    assert registry.load_path("spread", "1.0.0") == first
    (first / "trees" / "0.txt").chmod(0o600)
    (first / "trees" / "0.txt").write_text("lead\n")
    assert (registry.load_path("spread", "1.0.0") / "trees" / "0.txt").read_text() == "leaf\n"


def test_the_copies_of_a_process_go_with_it(register, registry, workspace) -> None:
    register()
    copies = PrivateCopies()
    copy = copies.path(("here", "spread/1.0.0", ""), lambda: registry.opened("spread", "1.0.0"))
    assert copy.is_dir()
    assert registry.sweep(Actor.engine()).n_removed == 0
    assert copy.is_dir()
    copies.close()
    assert not copy.exists()


def test_a_changed_file_is_never_loaded_and_alerts_an_operator(register, registry: Registry, workspace) -> None:
    tamper(workspace, register())
    with pytest.raises(HashMismatchError, match=r"spread 1.0.0 .*: trees/0.txt was changed") as refusal:
        registry.load_path("spread", "1.0.0")
    assert refusal.value.exit_code is ExitCode.REFUSED
    (alert,) = Alerts(workspace).open()
    assert (alert.rule, alert.severity, alert.labels) == (
        "hash_mismatch",
        Severity.CRITICAL,
        {"model": "spread", "version": "1.0.0"},
    )
    assert "trees/0.txt was changed" in alert.summary


def test_the_same_mismatch_alerts_once_and_clears_when_the_file_is_restored(register, registry, workspace) -> None:
    file = tamper(workspace, register())
    for _ in range(2):
        assert [result.problems for result in registry.verify("spread")] == [("trees/0.txt was changed",)]
    assert len(Alerts(workspace).open()) == 1
    file.write_text("leaf\n")
    assert [result.ok for result in registry.verify("spread", "1.0.0")] == [True]
    assert Alerts(workspace).open() == []


def test_a_changed_version_is_not_promoted(register, registry: Registry, workspace, ana) -> None:
    plan_before = registry.plan_promotion("spread", register().version)
    tamper(workspace, registry.get("spread", "1.0.0"))
    with pytest.raises(HashMismatchError):
        registry.apply(plan_before, actor=ana)
    plan = registry.plan_promotion("spread", "1.0.0")
    assert not plan.allowed
    assert "verified_artifact (trees/0.txt was changed)" in plan.refusal
    assert len(Alerts(workspace).open()) == 1


@pytest.mark.parametrize("way", ["plan_rollback", "plan_undo"])
def test_a_rollback_to_a_changed_version_is_refused(register, registry, promote, workspace, ana, way) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    tamper(workspace, registry.get("spread", "1.0.0"))
    plan = getattr(registry, way)("spread")
    assert not plan.allowed
    with pytest.raises(HashMismatchError, match=r"spread 1.0.0"):
        registry.apply(plan, actor=ana)
    assert registry.production("spread").version == "1.1.0"


def test_a_metric_edited_in_the_database_contradicts_the_artifact(register, registry: Registry, workspace) -> None:
    register(attainment=0.5)
    documents = workspace.database("registry").documents("versions", Document, "key")
    documents.replace(replace(documents.get("spread/1.0.0"), metrics={"attainment": 0.99}))
    (result,) = registry.verify()
    assert result.problems == ("registration.json has attainment 0.5, the database 0.99",)
    assert not registry.plan_promotion("spread", "1.0.0").allowed


def test_a_mismatch_is_reported_even_when_the_alert_cannot_be(register, registry, workspace) -> None:
    tamper(workspace, register())
    (workspace.state_dir / "alerts.json").write_text("garbage")
    assert [result.ok for result in registry.verify()] == [False]
