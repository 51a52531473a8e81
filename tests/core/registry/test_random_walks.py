"""Whatever operators do in whatever order, the record stays true: a random walk through the registry."""

import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from core.actor import Actor, Origin
from core.governance.audit import audited
from core.quality.gate import judge
from core.registry import Plan, Registry, Stage, TransitionVerb, move_packs
from core.registry.records import Records
from core.settings.promotion import PromotionSettings
from core.state import Workspace

ANA = Actor("ana", "desk", Origin.CONSOLE)
N_VERSIONS = 3

acts = st.lists(
    st.tuples(st.sampled_from(["promote", "promote", "promote", "archive", "rollback", "undo"]), st.integers(0, 2)),
    min_size=5,
    max_size=25,
)


@settings(max_examples=8, deadline=None)
@given(acts, st.booleans())
def test_the_record_agrees_with_what_an_onlooker_noted(walk: list[tuple[str, int]], packs: bool) -> None:
    few = mock.patch.multiple(move_packs, MOVES_IN_A_PACK=3, SINGLE_MOVES=2)
    with tempfile.TemporaryDirectory() as folder, few:
        registry = a_registry(Path(folder))
        noted = [standing(registry)]
        not_undone = [standing(registry)]
        for verb, index in walk:
            plan = a_plan(registry, verb, f"1.{index}.0")
            if not plan.allowed:
                continue
            registry.apply(plan, actor=ANA)
            if packs:
                pack(registry)
            noted.append(standing(registry))
            if verb == "undo":
                not_undone.pop()
                assert noted[-1] == not_undone[-1]
            else:
                not_undone.append(noted[-1])
            assert_one_live_version(*noted[-1])
            assert_plan_was_kept(plan, noted[-2], noted[-1])
        assert len(registry.history("spread")) == len(noted) - 1


def a_registry(root: Path) -> Registry:
    workspace = Workspace.create(root / "workspace", settings_text="{}\n")
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0))
    source = root / "trained"
    source.mkdir()
    (source / "model.txt").write_text("tree\n")
    gates = (judge("coverage", 99.0, ">=", 90.0),)
    for _ in range(N_VERSIONS):
        registry.register("spread", source, metrics={"attainment": 0.9}, lineage={}, gates=gates, actor=ANA)
    return registry


def pack(registry: Registry) -> None:
    """Put the older moves into packs, as the engine does with those of a large file."""
    with audited(registry._workspace, "registry", actor=Actor.engine()) as change:
        Records(registry._workspace).pack_older_moves()
        change.record("state.archive", "state/registry.json")


def a_plan(registry: Registry, verb: str, version: str) -> Plan:
    if verb == TransitionVerb.PROMOTE:
        return registry.plan_promotion("spread", version)
    if verb == TransitionVerb.ARCHIVE:
        return registry.plan_archive("spread", version)
    return registry.plan_rollback("spread") if verb == TransitionVerb.ROLL_BACK else registry.plan_undo("spread")


def standing(registry: Registry) -> tuple[dict[str, Stage], str | None, tuple[str, ...]]:
    (model,) = registry.models()
    stages = {version.version: version.stage for version in registry.versions("spread")}
    return stages, model.production, model.previous_production


def assert_one_live_version(stages: dict[str, Stage], production: str | None, previous: tuple[str, ...]) -> None:
    live = [version for version, stage in stages.items() if stage is Stage.PRODUCTION]
    assert live == ([production] if production else [])
    assert previous[-1:] != (production,)


def assert_plan_was_kept(plan: Plan, before: tuple, after: tuple) -> None:
    assert before[0] | {change.version: change.after for change in plan.changes} == after[0]
    assert {change.version: change.before for change in plan.changes}.items() <= before[0].items()
