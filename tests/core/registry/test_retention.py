"""What a prune removes, and all the reasons for which a version stays."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.errors import RefusedError
from core.governance.audit_log import AuditLog
from core.registry import Registry, Stage, VersionNotFoundError
from core.settings import PolicySource


@pytest.fixture
def registry(workspace) -> Registry:
    workspace.settings_file.write_text(
        "policy: {retention: {keep_development: 1, keep_staging: 0, keep_archived: 0}}\n", encoding="utf-8"
    )
    return Registry(workspace, policy=PolicySource(workspace.root, environ={}))


def decisions(registry: Registry) -> dict[str, str]:
    return {c.version: "goes" if c.goes else c.reason for c in registry.plan_prune("spread").candidates}


def test_the_newest_of_a_stage_stay(register, registry: Registry) -> None:
    for _ in range(3):
        register()
    assert decisions(registry) == {
        "1.2.0": "is one of the newest 1 in Development",
        "1.1.0": "goes",
        "1.0.0": "goes",
    }


def test_a_version_beyond_the_number_stays_for_its_days(register, workspace, ana, clock) -> None:
    workspace.settings_file.write_text(
        "policy: {retention: {keep_development: 1, keep_development_days: 30, "
        "keep_archived: 0, keep_archived_days: 7}}\n"
    )
    for _ in range(3):
        register()
    registry = Registry(workspace, policy=PolicySource(workspace.root, environ={}), clock=clock)
    clock.now = max(version.stage_since for version in registry.versions("spread")) + timedelta(days=29)
    assert decisions(registry)["1.0.0"] == "has been in Development for less than 30 days"

    clock.now += timedelta(days=2)
    registry.apply(registry.plan_archive("spread", "1.1.0"), actor=ana)
    register()  # so that an undo would no longer move it back
    registry.apply(registry.plan_archive("spread", "1.2.0"), actor=ana)

    plan = registry.plan_prune("spread")
    found = {candidate.version: candidate for candidate in plan.candidates}
    assert found["1.1.0"].reason == "has been in Archived for less than 7 days"
    assert found["1.0.0"].goes
    assert found["1.0.0"].reason == "older than the newest 1 in Development, and in Development for 30 days or more"
    registry.prune(plan, actor=ana)
    assert (AuditLog(workspace).tail(1)[0].verb, AuditLog(workspace).tail(1)[0].object) == (
        "version.prune",
        "spread/1.0.0",
    )


def test_a_number_given_by_hand_goes_before_the_days(register, workspace) -> None:
    workspace.settings_file.write_text("policy: {retention: {keep_development_days: 30}}\n")
    register(), register()
    registry = Registry(workspace, policy=PolicySource(workspace.root, environ={}))
    assert [candidate.goes for candidate in registry.plan_prune("spread", keep=1).candidates] == [False, True]


def test_a_live_version_and_rollback_targets_stay(register, registry: Registry, promote, ana) -> None:
    for _ in range(5):
        register()
    promote("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    found = decisions(registry)
    assert found["1.3.0"] == "serves"
    assert found["1.2.0"] == found["1.1.0"] == "is the target of a rollback"
    assert found["1.0.0"] == "goes"


@pytest.mark.parametrize(
    ("refer", "reason"),
    [
        pytest.param(lambda r, a, b: r.set_alias("spread", "fallback", "1.0.0", actor=a), "is @fallback", id="alias"),
        pytest.param(
            lambda r, a, b: r.approve("spread", "1.0.0", actor=b),
            "is approved and awaits promotion",
            id="approval",
        ),
        pytest.param(
            lambda r, a, b: r.apply(r.plan_archive("spread", "1.0.0"), actor=a),
            "would be moved back by an undo",
            id="undo",
        ),
    ],
)
def test_a_version_in_use_stays(register, registry: Registry, ana, ben, refer, reason: str) -> None:
    register(), register()
    refer(registry, ana, ben)
    assert decisions(registry)["1.0.0"] == reason


def test_a_parent_version_stays(register, registry: Registry) -> None:
    register(), register(parents=["1.0.0"])
    assert decisions(registry)["1.0.0"] == "is a parent of spread/1.1.0"


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    rollout_id: str
    model: str
    stable: str
    candidate: str
    observed: dict[str, str]
    revision: int = 0


def roll_out(workspace, candidate: str, phase: str) -> None:
    rollouts = workspace.database("registry").documents("rollouts", Rollout, "rollout_id")
    rollouts.insert(
        Rollout(rollout_id="ro-0001", model="spread", stable="9.9.9", candidate=candidate, observed={"phase": phase})
    )


@pytest.mark.parametrize("phase", ["pending", "running", "paused", "inconclusive"])
def test_a_side_of_an_active_rollout_is_neither_pruned_nor_archived(register, registry, workspace, ana, phase) -> None:
    register(), register()
    plan = registry.plan_archive("spread", "1.0.0")
    prune = registry.plan_prune("spread")
    roll_out(workspace, "1.0.0", phase)
    assert decisions(registry)["1.0.0"] == "is in rollout ro-0001"
    assert registry.plan_archive("spread", "1.0.0").refusal == (
        "spread 1.0.0 is in rollout ro-0001; abort the rollout first, or let it end."
    )
    with pytest.raises(RefusedError, match="is in rollout ro-0001"):
        registry.apply(plan, actor=ana)
    with pytest.raises(RefusedError, match=r"spread 1.0.0 is in rollout ro-0001; nothing was removed"):
        registry.prune(prune, actor=ana)


def test_a_rollout_that_has_ended_holds_nothing(register, registry, workspace, ana) -> None:
    register(), register()
    roll_out(workspace, "1.0.0", "promoted")
    assert decisions(registry)["1.0.0"] == "goes"


def test_a_dry_run_removes_nothing_and_a_prune_removes_files_and_record(register, registry, workspace, ana) -> None:
    for _ in range(3):
        register()
    plan = registry.plan_prune()
    assert len(registry.versions("spread")) == 3
    assert plan.n_bytes == sum(registry.get("spread", number).n_bytes for number in ("1.0.0", "1.1.0"))
    gone = registry.prune(plan, actor=ana, reason="room")
    assert [candidate.version for candidate in gone] == ["1.1.0", "1.0.0"]
    assert [version.version for version in registry.versions("spread")] == ["1.2.0"]
    assert not (workspace.artifacts_dir / "spread" / "1.0.0").exists()
    with pytest.raises(VersionNotFoundError):
        registry.get("spread", "1.0.0")
    last = AuditLog(workspace).tail(1)[0]
    assert (last.verb, last.object, last.reason) == ("version.prune", "spread/1.0.0", "room")
    assert registry.prune(registry.plan_prune(), actor=ana) == ()


def test_the_number_of_a_pruned_version_is_never_reused(register, registry, workspace, ana) -> None:
    register()
    registry.apply(registry.plan_archive("spread", "1.0.0"), actor=ana)
    register()
    registry.apply(registry.plan_promotion("spread", "1.1.0"), actor=ana)  # the newest transition is another's now
    assert [candidate.version for candidate in registry.prune(registry.plan_prune("spread"), actor=ana)] == ["1.0.0"]
    assert register(bump="patch").version == "1.1.1"


def test_a_kill_between_record_and_files_is_finished_by_the_next_sweep(
    register, registry, workspace, ana, monkeypatch
) -> None:
    register(), register()
    monkeypatch.setattr(registry._store, "withdraw", lambda *_: None)
    registry.prune(registry.plan_prune("spread"), actor=ana)
    monkeypatch.undo()
    folder = workspace.artifacts_dir / "spread" / "1.0.0"
    assert folder.exists()
    sweep = registry.sweep(ana)
    assert (sweep.adopted, sweep.n_removed, folder.exists()) == ((), 1, False)


def test_a_prune_is_refused_entirely_if_one_version_must_now_stay(register, registry, ana) -> None:
    for _ in range(3):
        register()
    plan = registry.plan_prune("spread")
    registry.set_alias("spread", "champion", "1.1.0", actor=ana)
    with pytest.raises(RefusedError, match=r"spread 1.1.0 is @champion; nothing was removed"):
        registry.prune(plan, actor=ana)
    assert len(registry.versions("spread")) == 3


def test_a_rollback_whose_target_was_pruned_is_refused_in_words(register, registry, promote, ana) -> None:
    for _ in range(4):
        register()
    promote("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    registry.prune(registry.plan_prune("spread"), actor=ana)
    for _ in range(2):
        registry.apply(registry.plan_rollback("spread"), actor=ana)
    assert registry.production("spread").version == "1.1.0"
    assert registry.plan_rollback("spread").refusal == "spread has no earlier Production version to roll back to."


def test_the_record_of_a_pruned_version_says_who_and_when(register, registry, workspace, ana) -> None:
    register(), register()
    sha256 = registry.get("spread", "1.0.0").manifest_sha256
    registry.prune(registry.plan_prune("spread"), actor=ana)
    (tombstone,) = workspace.database("registry").table("pruned").all()
    assert (tombstone["key"], tombstone["manifest_sha256"], tombstone["pruned_by"]) == (
        "spread/1.0.0",
        sha256,
        "ana@desk",
    )
    assert datetime.fromisoformat(tombstone["pruned_at"]) <= datetime.now(UTC)


def test_production_is_never_among_the_doomed(register, registry, promote) -> None:
    register()
    promote("1.0.0")
    assert all(candidate.stage is not Stage.PRODUCTION for candidate in registry.plan_prune().doomed)
