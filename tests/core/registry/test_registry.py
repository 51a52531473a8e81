import msgspec
import pytest

from core.actor import Actor
from core.errors import ExitCode
from core.governance.audit_log import AuditLog
from core.quality.gate import judge
from core.registry import (
    InvalidNameError,
    ModelNotFoundError,
    ModelVersion,
    PromotionRefusedError,
    Registry,
    Stage,
    TransitionVerb,
    VersionNotFoundError,
)
from core.registry.errors import WrongKindError
from core.registry.language_models import is_language_model
from core.settings.promotion import PromotionSettings
from core.state import Database, Documents, StaleRevisionError, UnstorableValueError, Workspace
from tests.core.registry.conftest import PASSED

FAILED = (judge("coverage", 10.0, ">=", 90.0, unit="%"),)

# Registering


def test_the_first_version_is_1_0_0_in_development(register) -> None:
    version = register()
    assert (version.version, version.stage, version.created_by) == ("1.0.0", Stage.DEVELOPMENT, "ana@desk")


@pytest.mark.parametrize(("bump", "number"), [("major", "2.0.0"), ("minor", "1.1.0"), ("patch", "1.0.1")])
def test_the_next_version_raises_the_part_it_is_told_to(register, bump: str, number: str) -> None:
    register()
    assert register(bump=bump).version == number


def test_a_number_with_an_existing_folder_is_never_reused(register, workspace) -> None:
    register()
    (workspace.artifacts_dir / "spread" / "1.1.0").mkdir()
    assert register().version == "1.2.0"


def test_versions_are_listed_by_model_and_number(register, registry: Registry) -> None:
    for model in ("spread", "downgrade", "spread"):
        register(model)
    for _ in range(9):
        register("spread")
    assert [version.key for version in registry.versions()][:3] == ["downgrade/1.0.0", "spread/1.0.0", "spread/1.1.0"]
    assert [version.version for version in registry.versions("spread")][-2:] == ["1.9.0", "1.10.0"]


def test_the_artifact_holds_evidence_and_environment_but_no_trace_of_when_or_by_whom(register, workspace) -> None:
    version = register(run_id="r-0001", session_id="s-0001")
    folder = workspace.artifacts_dir / version.path
    assert {path.name for path in folder.iterdir()} >= {"MANIFEST.json", "registration.json", "environment.json"}
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for trace in (b"ana", b"r-0001", b"s-0001", b"2026"):
        assert trace not in everything


def test_the_same_bytes_from_the_same_run_are_registered_once(registry: Registry, source, ana) -> None:
    first, again, other_run = (
        registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana, run_id=run_id)
        for run_id in ("r-0001", "r-0001", "r-0002")
    )
    assert again == first
    assert other_run.version == "1.1.0"


@pytest.mark.parametrize(
    ("metrics", "lineage"),
    [
        pytest.param({"auc": float("nan")}, {}, id="a metric that is not a number"),
        pytest.param({"auc": float("inf")}, {}, id="an endless metric"),
        pytest.param({}, {"seed": float("nan")}, id="NaN in the lineage"),
        pytest.param({}, {"data": object()}, id="an object in the lineage"),
        pytest.param({}, {1: "x"}, id="a key that is not text"),
    ],
)
def test_what_json_cannot_keep_is_refused(registry: Registry, source, ana, metrics, lineage) -> None:
    with pytest.raises(UnstorableValueError, match="spread"):
        registry.register("spread", source, metrics=metrics, lineage=lineage, gates=(), actor=ana)
    assert registry.models() == []


TEXTS = {"task": "text"}


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({}, TEXTS, "The versions of notes answer rows: choose another name for the model of language."),
        (TEXTS, {}, "The versions of notes write texts: choose another name for the model of rows."),
    ],
)
def test_rows_and_texts_do_not_share_a_name(registry, source, ana, workspace, promote, first, second, said, is_live):
    def register(lineage):
        (source / "model.txt").write_text(f"tree {lineage} {len(registry.versions(None))}")
        fields = {"metrics": {"attainment": 0.9}, "gates": PASSED, "actor": ana}
        return registry.register("notes", source, lineage=lineage, **fields)

    assert register(first).version == "1.0.0"
    if is_live:
        promote("1.0.0", model="notes")
    before = sorted(workspace.artifacts_dir.rglob("*"))
    with pytest.raises(WrongKindError) as refused:
        register(second)
    assert str(refused.value) == said
    assert sorted(workspace.artifacts_dir.rglob("*")) == before
    assert register(first).version == "1.1.0"


def test_files_of_a_model_of_language_say_so_whoever_registers_them(registry, register, source, ana):
    register("spread")
    (source / "signature.json").write_text('{"task": "text"}')
    with pytest.raises(WrongKindError):
        registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana)
    found = registry.register("prose", source, metrics={}, lineage={"seed": 1}, gates=(), actor=ana)
    assert is_language_model(found)


def test_a_hostile_name_registers_nothing(registry: Registry, source, ana, workspace) -> None:
    with pytest.raises(InvalidNameError):
        registry.register("../evil", source, metrics={}, lineage={}, gates=(), actor=ana)
    assert list(workspace.artifacts_dir.iterdir()) == []


def test_a_version_that_could_not_be_recorded_leaves_no_folder(register, registry, workspace, monkeypatch) -> None:
    register()
    with monkeypatch.context() as patched:
        patched.setattr("core.state.storage.replace", _no_space)
        with pytest.raises(OSError, match="No space left"):
            register()
    assert [path.name for path in (workspace.artifacts_dir / "spread").iterdir()] == ["1.0.0"]
    assert register().version == "1.1.0"


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_unknown_model_or_version_is_answered_with_the_known_ones(register, registry: Registry) -> None:
    register()
    with pytest.raises(VersionNotFoundError, match=r"spread has no version 9.9.9. Versions to choose from: 1.0.0"):
        registry.get("spread", "9.9.9")
    with pytest.raises(ModelNotFoundError, match="Models to choose from: spread"):
        registry.versions("downgrade")


# Promoting


def test_promotion_goes_one_step_at_a_time(register, registry: Registry, ana) -> None:
    register()
    for stage in (Stage.STAGING, Stage.PRODUCTION):
        plan = registry.plan_promotion("spread", "1.0.0")
        assert (plan.allowed, plan.to_stage) == (True, stage)
        (moved,) = registry.apply(plan, actor=ana)
        assert moved.stage is stage
    assert registry.production("spread") == moved


def test_promoting_archives_the_version_it_replaces(register, promote, stages) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    assert stages() == {"1.0.0": "Archived", "1.1.0": "Production"}


def test_a_plan_says_what_will_happen_and_how_to_undo_it(register, registry: Registry, promote, ana) -> None:
    register(), register()
    promote("1.0.0")
    registry.apply(registry.plan_promotion("spread", "1.1.0"), actor=ana)
    plan = registry.plan_promotion("spread", "1.1.0")
    assert plan.replaces == "1.0.0"
    assert plan.effects == (
        "spread 1.1.0 goes from Staging to Production.",
        "spread 1.0.0 goes from Production to Archived.",
        "A rollback then returns to 1.0.0.",
    )
    assert plan.undo == "Undo returns 1.1.0 to Staging and 1.0.0 to Production."
    assert [gate.name for gate in plan.gates] == [
        "verified_artifact",
        "min_accuracy",
        "quality_gates",
        "attainment_drop",
        "servable",
    ]


@pytest.mark.parametrize(
    ("fields", "gate"),
    [
        pytest.param({"attainment": 0.84}, "min_accuracy", id="attainment below the least"),
        pytest.param({"attainment": None}, "min_accuracy", id="attainment unknown"),
        pytest.param({"attainment": 0.90}, "attainment_drop", id="worse than the live one"),
        pytest.param({"gates": FAILED}, "quality_gates", id="data that failed"),
    ],
)
def test_a_failed_gate_refuses_production_and_says_why(register, registry, promote, ana, fields, gate) -> None:
    register(attainment=0.95)
    promote("1.0.0")
    register(**{"attainment": 0.95, **fields})
    registry.apply(registry.plan_promotion("spread", "1.1.0"), actor=ana)
    plan = registry.plan_promotion("spread", "1.1.0")
    assert not plan.allowed
    assert gate in plan.refusal
    with pytest.raises(PromotionRefusedError, match=gate) as refusal:
        registry.apply(plan, actor=ana)
    assert refusal.value.exit_code is ExitCode.REFUSED
    assert registry.production("spread").version == "1.0.0"


@pytest.mark.parametrize(
    ("stage", "refusal"),
    [
        (Stage.PRODUCTION, "is in Development; the next stage is Staging, not Production."),
        (Stage.DEVELOPMENT, "is already in Development."),
        (Stage.ARCHIVED, "is in Development; the next stage is Staging, not Archived."),
    ],
)
def test_a_move_outside_the_table_is_refused(register, registry, ana, stage, refusal) -> None:
    register()
    plan = registry.plan_promotion("spread", "1.0.0", stage)
    assert (plan.allowed, plan.refusal) == (False, f"spread 1.0.0 {refusal}")
    with pytest.raises(PromotionRefusedError):
        registry.apply(plan, actor=ana)


def test_a_manipulated_plan_is_refused(register, registry: Registry, ana) -> None:
    register(attainment=0.1)
    registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ana)
    refused = registry.plan_promotion("spread", "1.0.0")
    forged = msgspec.structs.replace(refused, allowed=True, gates=(), refusal=None)
    with pytest.raises(PromotionRefusedError, match="min_accuracy"):
        registry.apply(forged, actor=ana)


def test_thresholds_are_those_of_the_settings_file_at_that_moment(register, workspace, ana) -> None:
    register(attainment=0.80)
    from_file = Registry(workspace)
    from_file.apply(from_file.plan_promotion("spread", "1.0.0"), actor=ana)
    assert not from_file.plan_promotion("spread", "1.0.0").allowed
    workspace.settings_file.write_text("promotion: {min_accuracy: 0.75}\n")
    assert from_file.plan_promotion("spread", "1.0.0").allowed


# Changed by someone else first


def test_a_stale_plan_is_refused_with_what_changed_who_and_when(register, registry: Registry, ana, ben) -> None:
    register(), register()
    mine, theirs = registry.plan_promotion("spread", "1.0.0"), registry.plan_promotion("spread", "1.1.0")
    registry.apply(theirs, actor=ben)
    with pytest.raises(StaleRevisionError) as refusal:
        registry.apply(mine, actor=ana)
    sentence = str(refusal.value)
    for fact in ("ben@desk", "2026-03-02 09:0", "1.1.0 Development → Staging", "This change was not made"):
        assert fact in sentence
    assert refusal.value.exit_code is ExitCode.CONFLICT
    assert registry.get("spread", "1.0.0").stage is Stage.DEVELOPMENT


def test_a_version_registered_meanwhile_does_not_make_a_plan_stale(register, registry: Registry, ana) -> None:
    register()
    plan = registry.plan_promotion("spread", "1.0.0")
    register()
    registry.apply(plan, actor=ana)


def test_a_move_of_another_model_does_not_make_a_plan_stale(register, registry: Registry, ana) -> None:
    register("spread"), register("downgrade")
    plan = registry.plan_promotion("spread", "1.0.0")
    registry.apply(registry.plan_promotion("downgrade", "1.0.0"), actor=ana)
    registry.apply(plan, actor=ana)


# Rolling back


def test_rollback_walks_back_through_the_production_history(register, registry, promote, stages, ana) -> None:
    for _ in range(3):
        register()
    promote("1.0.0", "1.1.0", "1.2.0")
    registry.apply(registry.plan_rollback("spread"), actor=ana)
    assert stages() == {"1.0.0": "Archived", "1.1.0": "Production", "1.2.0": "Archived"}
    registry.apply(registry.plan_rollback("spread"), actor=ana)
    assert stages() == {"1.0.0": "Production", "1.1.0": "Archived", "1.2.0": "Archived"}
    plan = registry.plan_rollback("spread")
    assert (plan.allowed, plan.refusal) == (False, "spread has no earlier Production version to roll back to.")


def test_a_rolled_back_version_is_not_the_target_of_the_next_rollback(register, registry, promote, ana) -> None:
    for _ in range(3):
        register()
    promote("1.0.0", "1.1.0")
    registry.apply(registry.plan_rollback("spread"), actor=ana)
    promote("1.2.0")
    assert registry.plan_rollback("spread").version == "1.0.0"


def test_a_version_that_is_live_again_is_not_the_target_of_its_own_rollback(register, registry, promote, ana) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    registry.apply(registry.plan_archive("spread", "1.1.0"), actor=ana)
    promote("1.0.0")
    assert not registry.plan_rollback("spread").allowed
    registry.apply(registry.plan_undo("spread"), actor=ana)
    assert registry.plan_rollback("spread").version == "1.0.0"


def test_rollback_before_any_production_is_refused_in_words(register, registry: Registry) -> None:
    register()
    assert registry.plan_rollback("spread").refusal == "spread has no version in Production, and none to roll back to."


def test_rollback_ignores_the_gates_of_a_promotion(register, registry, promote, workspace, ana) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    strict = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.99))
    strict.apply(strict.plan_rollback("spread"), actor=ana)
    assert registry.production("spread").version == "1.0.0"


# Undoing


def test_undo_of_a_promotion_restores_both_stages(register, registry, promote, stages, ana) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    registry.apply(registry.plan_undo("spread"), actor=ana)
    assert stages() == {"1.0.0": "Production", "1.1.0": "Staging"}
    assert registry.plan_rollback("spread").allowed is False


def test_undo_of_a_rollback_restores_both_stages_and_the_way_back(register, registry, promote, stages, ana) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    registry.apply(registry.plan_rollback("spread"), actor=ana)
    registry.apply(registry.plan_undo("spread"), actor=ana)
    assert stages() == {"1.0.0": "Archived", "1.1.0": "Production"}
    assert registry.plan_rollback("spread").version == "1.0.0"


def test_each_undo_goes_one_move_further_back_and_never_undoes_an_undo(
    register, registry, promote, stages, ana
) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    registry.apply(registry.plan_rollback("spread"), actor=ana, reason="slow")
    seen = []
    for _ in range(5):
        plan = registry.plan_undo("spread")
        registry.apply(plan, actor=ana)
        model = registry.models()[0]
        seen.append((stages(), model.production, model.previous_production))
    assert seen == [
        ({"1.0.0": "Archived", "1.1.0": "Production"}, "1.1.0", ("1.0.0",)),
        ({"1.0.0": "Production", "1.1.0": "Staging"}, "1.0.0", ()),
        ({"1.0.0": "Production", "1.1.0": "Development"}, "1.0.0", ()),
        ({"1.0.0": "Staging", "1.1.0": "Development"}, None, ()),
        ({"1.0.0": "Development", "1.1.0": "Development"}, None, ()),
    ]
    assert "nothing earlier remains" in registry.plan_undo("spread").refusal


def test_an_undo_says_which_move_it_reverses_and_which_one_comes_next(register, registry, promote, ana) -> None:
    register()
    promote("1.0.0")
    plan = registry.plan_undo("spread")
    assert plan.effects[0].startswith("Undoes: promote by ana@desk at ")
    assert "moved 1.0.0 from Staging to Production" in plan.effects[0]
    assert "A further undo then reverses: promote by ana@desk at " in plan.effects[-1]
    registry.apply(plan, actor=ana)
    last = registry.plan_undo("spread")
    assert last.effects[-1] == "Nothing earlier remains to undo."
    with pytest.raises(StaleRevisionError):
        registry.apply(plan, actor=ana)


def test_a_move_after_an_undo_is_undone_first(register, registry: Registry, promote, stages, ana) -> None:
    register()
    promote("1.0.0")
    registry.apply(registry.plan_undo("spread"), actor=ana)
    registry.apply(registry.plan_archive("spread", "1.0.0"), actor=ana)
    for stage in ("Staging", "Development"):
        registry.apply(registry.plan_undo("spread"), actor=ana)
        assert stages() == {"1.0.0": stage}


def test_with_nothing_moved_there_is_nothing_to_undo(register, registry: Registry) -> None:
    register()
    assert "nothing to undo" in registry.plan_undo("spread").refusal


# Archiving


def test_archiving_the_live_version_says_that_none_remains(register, registry, promote, ana) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    plan = registry.plan_archive("spread", "1.1.0")
    assert "Leaves spread without a live version." in plan.effects
    registry.apply(plan, actor=ana)
    assert registry.production("spread") is None
    assert registry.plan_rollback("spread").version == "1.0.0"
    registry.apply(registry.plan_undo("spread"), actor=ana)
    assert registry.production("spread").version == "1.1.0"


def test_an_archived_version_comes_back_through_staging(register, registry, stages, ana) -> None:
    register()
    registry.apply(registry.plan_archive("spread", "1.0.0"), actor=ana)
    assert registry.plan_archive("spread", "1.0.0").refusal == "spread 1.0.0 is already in Archived."
    registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ana)
    assert stages() == {"1.0.0": "Staging"}


# Who did that?


def test_one_call_shows_who_put_a_version_live_when_from_where_why_and_on_what_evidence(
    register, registry: Registry, ana, ben
) -> None:
    version = register()
    registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ana)
    registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ben, reason="beats the old one")
    move = registry.went_live("spread")
    assert (move.by, move.origin, move.from_stage, move.reason) == (
        "ben@desk",
        "cli",
        Stage.STAGING,
        "beats the old one",
    )
    assert move.manifest_sha256 == version.manifest_sha256
    assert [gate.name for gate in move.gates if gate.passed] == ["verified_artifact", "min_accuracy", "quality_gates"]


def test_history_lists_every_move_newest_first(register, registry: Registry, promote, ana) -> None:
    register(), register()
    promote("1.0.0", "1.1.0")
    registry.apply(registry.plan_rollback("spread"), actor=ana)
    registry.apply(registry.plan_undo("spread"), actor=ana)
    moves = registry.history("spread")
    assert [move.verb for move in moves] == [
        TransitionVerb.UNDO,
        TransitionVerb.ROLL_BACK,
        *[TransitionVerb.PROMOTE] * 4,
    ]
    assert moves[0].undoes == moves[1].number
    assert [move.number for move in registry.history("spread", "1.0.0")] == [7, 6, 5, 3, 2]


def test_every_move_is_in_the_audit_log_with_the_hash_of_the_artifact(register, promote, workspace, registry) -> None:
    version = register()
    promote("1.0.0")
    log = AuditLog(workspace)
    last = log.tail(1)[0]
    assert (last.verb, last.object, last.actor, last.reason) == (
        "version.promote",
        "spread/1.0.0",
        "ana@desk",
        "better",
    )
    assert (last.before, last.after) == ({"1.0.0": "Staging"}, {"1.0.0": "Production"})
    assert last.evidence[0].sha256 == version.manifest_sha256
    assert log.verify().ok


def test_another_process_sees_a_move_immediately(register, registry, promote, workspace) -> None:
    register()
    elsewhere = Registry(type(workspace).open(workspace.root))
    assert elsewhere.production("spread") is None
    promote("1.0.0")
    assert elsewhere.production("spread").version == "1.0.0"


@pytest.fixture
def read_versions(monkeypatch):
    """The versions that were read from the state file, one entry each time."""
    read, convert = [], Documents._convert

    def noted(self, stored, **how):
        document = convert(self, stored, **how)
        if isinstance(document, ModelVersion):
            read.append(document.key)
        return document

    monkeypatch.setattr(Documents, "_convert", noted)
    return read


@pytest.fixture
def elsewhere(workspace, monkeypatch):
    """The same registry as another process opens it, which has read nothing."""

    def opened():
        monkeypatch.setattr("core.state.workspace._shared_database", Database)
        return Registry(Workspace.open(workspace.root))

    return opened


def test_a_reader_of_one_model_reads_the_versions_of_that_model_alone(registry, register, elsewhere, read_versions):
    for model in ("spread", "downgrade", "spread", "downgrade", "spread2"):
        register(model)
    there = elsewhere()
    read_versions.clear()
    assert there.numbers("downgrade") == ["1.0.0", "1.1.0"]
    with pytest.raises(VersionNotFoundError, match=r"1\.1\.0"):
        there.get("downgrade", "9.9.9")
    assert read_versions == []
    assert [version.key for version in there.versions_in_brief("spread")] == ["spread/1.0.0", "spread/1.1.0"]
    assert there.versions("spread") == registry.versions("spread")
    there.plan_promotion("spread", "1.1.0")
    assert set(read_versions) == {"spread/1.0.0", "spread/1.1.0"}


def test_a_registration_reads_the_newest_version_of_its_model_alone(register, elsewhere, workspace, read_versions):
    for model in ("spread", "spread", "downgrade"):
        register(model)
    (source := workspace.root / "again").mkdir()
    (source / "model.txt").write_text("another tree")
    there = elsewhere()
    read_versions.clear()
    there.register("spread", source, metrics={}, lineage={}, gates=(), actor=Actor.engine(), bump="auto")
    assert set(read_versions) == {"spread/1.1.0", "spread/1.2.0"}
