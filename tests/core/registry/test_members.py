"""A verdict against a member of an ensemble holds for the same member under any number."""

from collections.abc import Callable
from pathlib import Path

from core.actor import Actor
from core.registry import ModelVersion, Registry, Stage
from core.registry.holds import Holds, ModelHolds
from core.state import Workspace


def test_a_member_that_is_registered_again_keeps_the_verdict_of_its_rollout(
    workspace: Workspace, registry: Registry, source: Path, ana: Actor, register: Callable[..., ModelVersion]
) -> None:
    whole = register()
    made = {}
    for name, member in (("first", "linear"), ("again", "linear"), ("other", "random_forest")):
        (source / "model.txt").write_text(f"tree {name}\n")
        lineage = {"member": {"of": whole.key, "member": member}}
        made[name] = registry.register(
            "spread", source, metrics={"attainment": 0.9}, lineage=lineage, gates=whole.gates, actor=ana
        )
    first, again, other = (made[name].version for name in ("first", "again", "other"))
    told = f"ro-0001 rolled back {first} at 2026-01-05 10:00 UTC: loss."
    database = workspace.database("registry")
    with database.transaction():
        Holds(database).write(ModelHolds(model="spread", warnings={first: told}))

    assert registry.verdicts("spread", first) == (told,)
    assert registry.verdicts("spread", again) == (f"{told} {again} is the same member.",)
    assert registry.verdicts("spread", other) == ()
    assert registry.verdicts("spread", whole.version) == ()
    registry.apply(registry.plan_promotion("spread", again), actor=ana)
    plan = registry.plan_promotion("spread", again)
    assert plan.to_stage is Stage.PRODUCTION
    assert plan.overrides == f"{told} {again} is the same member."
