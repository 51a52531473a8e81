"""A model that a session trained is trained anew on fresh draws of its domain."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.explain.documents import DENIED
from core.governance import AuditLog
from core.registry import Registry
from core.retraining.comparing import compare_rankings, misranked
from core.retraining.document import Retraining, RetrainingPhase, StepName, StepState
from core.retraining.errors import NotPassedError
from core.retraining.generator_plan import plan_draws
from core.retraining.results import folder_of
from core.settings import SettingsError, settings_in_force
from core.settings.retraining import RetrainingPolicy, RetrainingSource, RetrainingValidation
from core.state import Workspace
from core.training import panels as panels_module
from tests.clocks import HandClock
from tests.core.retraining.conftest import World
from tests.session_trained import ANA, put_live, recipe

SETTINGS = """
policy:
  promotion: {min_accuracy: 0.0, max_attainment_drop: 1.0}
  canary: {dwell_seconds: 0, min_samples: 1}
"""
RULES = RetrainingPolicy(
    source=RetrainingSource(kind="generator"),
    min_samples=300,
    auto_deploy=True,
    watch_minutes=1,
    validation=RetrainingValidation(margin=0.5, slice_margin=5),
)
MODELS = [
    ("bonds", "liquidity_shock", "linear"),
    ("bonds", "anomaly", "isolation_forest"),
    ("etrm", "etrm_risk", "linear"),
]


@pytest.fixture
def settings_text() -> str:
    return SETTINGS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sessions of this process test on few rows; a retraining's child draws as many as ever."""
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 400)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 600)


def live_world(workspace: Workspace, clock: HandClock, domain: str, model: str, algorithm: str) -> World:
    put_live(workspace, Registry(workspace, clock=clock), recipe(domain, model, algorithm, random_seed=5))
    return World(workspace, clock)


@pytest.mark.journey
@pytest.mark.parametrize(("domain", "model", "algorithm"), MODELS, ids=[each[1] for each in MODELS])
def test_it_is_drawn_trained_compared_and_registered(
    workspace: Workspace, clock: HandClock, small: None, domain: str, model: str, algorithm: str
) -> None:
    world = live_world(workspace, clock, domain, model, algorithm)
    asked = world.retrainings.now(model, actor=ANA, policy=RULES)
    rolling = world.run(asked.retraining_id, to=StepName.ROLLOUT)
    found = rolling.observed
    version = world.registry.get(model, found.challenger)
    assert version.lineage["parents"] == [f"{model}/1.0.0"]
    assert version.lineage["retraining"] == {"id": asked.retraining_id, "trigger": "manual"}
    assert version.lineage["recipe"]["models"][model] == {"algorithm": algorithm, "parameters": {}}
    assert (
        version.lineage["data"]["draws"]["sha256"]
        != world.registry.get(model, "1.0.0").lineage["data"]["draws"]["sha256"]
    )
    validated = found.step(StepName.VALIDATE)
    assert validated.evidence["newest rows"]["whole"]["n"] > 1_000
    assert 0 < validated.evidence["attainment"]["new"] <= 1.5
    assert "attainment" in validated.reason
    assert {"verdict", "moved"} <= set(found.step(StepName.CHECK).evidence["drift"])
    assert AuditLog(workspace).verify().ok
    world.pipeline.close()


@pytest.mark.journey
def test_a_specialist_is_trained_anew_on_rows_of_its_slice_under_its_own_name(
    workspace: Workspace, clock: HandClock, small: None
) -> None:
    settings = recipe("bonds", "liquidity_shock", "linear", random_seed=5, only={"sector": "banks"})
    assert put_live(workspace, Registry(workspace, clock=clock), settings).key == "liquidity_shock_banks/1.0.0"
    world = World(workspace, clock)
    workspace.settings_file.write_text(f"explanation: {{denied_columns: [maturity_*]}}\n{SETTINGS}")
    asked = world.retrainings.now("liquidity_shock_banks", actor=ANA, policy=RULES)
    rolling = world.run(asked.retraining_id, to=StepName.ROLLOUT)
    version = world.registry.get("liquidity_shock_banks", rolling.observed.challenger)
    assert version.lineage["parents"] == ["liquidity_shock_banks/1.0.0"]
    made_by = version.lineage["recipe"]
    assert (made_by["only"], list(made_by["models"])) == ({"sector": "banks"}, ["liquidity_shock"])
    named = {
        each["name"].partition("=")[0]
        for each in rolling.observed.step(StepName.VALIDATE).evidence["newest rows"]["slices"]
    }
    assert DENIED in named  # the slices by maturity, which are made of maturity_years
    assert "maturity" not in named
    world.pipeline.close()


def test_the_same_retraining_draws_the_same_and_another_seed_another_world(
    workspace: Workspace, clock: HandClock, small: None
) -> None:
    world = live_world(workspace, clock, *MODELS[0])
    asked = world.retrainings.now("liquidity_shock", actor=ANA, policy=RULES)
    live = world.registry.get("liquidity_shock", "1.0.0")
    settings = settings_in_force(workspace.root)
    plan = plan_draws(workspace, asked, live, settings)
    assert plan == plan_draws(workspace, asked, live, settings)
    assert plan.world_seed == settings.random_seed == 42, "the present world, not the one of the session"
    assert plan.training.random_seed not in (5, 42), "fresh draws"
    other = plan_draws(workspace, msgspec.structs.replace(asked, retraining_id="rt-0002"), live, settings)
    assert (other.world_seed, other.training.random_seed != plan.training.random_seed) == (42, True)
    moved = msgspec.structs.replace(settings, random_seed=7, domain_settings={"spread_shift": 50.0})
    elsewhere = plan_draws(workspace, asked, live, moved)
    assert (elsewhere.world_seed, elsewhere.training.domain_settings) == (7, {"spread_shift": 50.0})
    assert elsewhere.training.models == plan.training.models


def bytes_of(folder: Path) -> str:
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()


def test_a_killed_training_resumes_its_epochs_to_the_same_bytes(
    workspace: Workspace, clock: HandClock, small: None
) -> None:
    from core.retraining.generated import SESSION, train_on_draws
    from core.training.session_work import SessionWork

    world = live_world(workspace, clock, *MODELS[0])
    asked = world.retrainings.now("liquidity_shock", actor=ANA, policy=RULES)
    live, made = world.registry.get("liquidity_shock", "1.0.0"), []
    plan = plan_draws(workspace, asked, live, settings_in_force(workspace.root))
    for name in ("whole", "pieces"):
        folder = folder_of(workspace, asked.retraining_id) / name
        folder.mkdir(parents=True)
        plan.write(folder)
        if name == "pieces":
            SessionWork(plan.training, folder / SESSION, world_seed=plan.world_seed).run_epoch(1)
        train_on_draws(workspace, asked, live, folder)
        made.append(bytes_of(folder / SESSION / "final"))
    assert made[0] == made[1]


@pytest.mark.journey
def test_a_later_change_of_the_settings_does_not_touch_a_retraining_and_its_version_is_retrained_by_its_recipe(
    workspace: Workspace, clock: HandClock, small: None
) -> None:
    world = live_world(workspace, clock, *MODELS[0])
    asked = world.retrainings.now("liquidity_shock", actor=ANA, policy=RULES)
    world.run(asked.retraining_id, to=StepName.CHECK)
    workspace.settings_file.write_text(f"random_seed: 9\ndomain_settings: {{noise_add: 9}}\n{SETTINGS}")
    rolling = world.run(asked.retraining_id, to=StepName.ROLLOUT)
    version = world.registry.get("liquidity_shock", rolling.observed.challenger)
    assert (version.lineage["world_seed"], version.lineage["recipe"].get("domain_settings")) == (42, None)
    again = plan_draws(
        workspace,
        msgspec.structs.replace(asked, retraining_id="rt-0002"),
        version,
        settings_in_force(workspace.root),
    )
    assert (again.world_seed, again.training.domain_settings) == (9, {"noise_add": 9})
    assert again.training.models == {"liquidity_shock": version_recipe(version)}
    world.pipeline.close()


def version_recipe(version):
    from core.json_documents import converted
    from core.settings import ModelSettings

    return converted(version.lineage["recipe"]["models"][version.model], ModelSettings)


@pytest.mark.journey
def test_draws_that_fail_a_gate_end_it_with_the_live_version_in_place(
    workspace: Workspace, clock: HandClock, small: None
) -> None:
    world = live_world(workspace, clock, *MODELS[0])
    workspace.settings_file.write_text(
        "quality_gates: {esg_missing_max: 0.0, liquidity_index_median_min: 99.0}\n"
        f"explanation: {{denied_columns: [liquidity_*]}}\n{SETTINGS}"
    )
    asked = world.retrainings.now("liquidity_shock", actor=ANA, policy=RULES)
    rejected = world.run(asked.retraining_id, to=RetrainingPhase.REJECTED)
    assert rejected.observed.step(StepName.CHECK).state is StepState.STOPPED
    assert "esg_missing" in rejected.observed.reason
    assert "liquidity_index_median: outside the limit (>= 99)" in rejected.observed.reason
    assert world.registry.numbers("liquidity_shock") == ["1.0.0"]
    world.pipeline.close()


def test_a_version_that_no_session_trained_is_refused_and_a_session_s_names_the_setting(world: World) -> None:
    asked: Retraining = world.retrainings.now("rents", actor=ANA, policy=RULES)
    live = world.registry.get("rents", "1.0.0")
    with pytest.raises(NotPassedError, match="was not trained by a session"):
        plan_draws(world.workspace, asked, live, settings_in_force(world.workspace.root))


def test_a_plan_says_what_is_drawn(workspace: Workspace, clock: HandClock, small: None) -> None:
    from core.retraining.planning import plan_of

    live_world(workspace, clock, *MODELS[0])
    workspace.settings_file.write_text(
        SETTINGS + "  retraining: {enabled: true, max_age_days: 1, source: {kind: generator}}\n"
    )
    plan = plan_of(workspace, "liquidity_shock", now=clock.now)
    assert (plan.n_samples, plan.lacks_rows) == (None, False)
    assert plan.would[0].startswith("Draw rows afresh")
    assert "without the newest" not in " ".join(plan.would)


def test_volume_is_no_trigger_of_draws(workspace: Workspace) -> None:
    workspace.settings_file.write_text("policy: {retraining: {source: {kind: generator}, min_new_samples: 10}}\n")
    with pytest.raises(SettingsError, match="rows are drawn"):
        settings_in_force(workspace.root)


def test_rankings_are_compared_by_the_area_that_scikit_learn_measures() -> None:
    random = np.random.default_rng(1)
    events = (random.random(2_000) < 0.1).astype(float)
    sharp, blunt = (events + random.normal(0, sd, 2_000) for sd in (0.5, 2.0))
    blunt[::7] = blunt[0]  # ties
    for score in (sharp, blunt):
        assert misranked(events, score).mean() == pytest.approx(1 - roc_auc_score(events, score))
    found = compare_rankings("rows", events, blunt, sharp, np.arange(2_000), margin=0.05)
    assert found.whole.is_superior
    assert compare_rankings("rows", events, sharp, blunt, np.arange(2_000), margin=0.05).whole.is_worse
    assert np.isnan(misranked(np.zeros(5), np.arange(5.0))).all()


@pytest.mark.truth
def test_the_interval_of_a_difference_of_areas_holds_what_it_promises(truth) -> None:
    n_held, n_runs = 0, 200 * truth.scale
    for run in range(n_runs):
        random = np.random.default_rng(run)
        events = (random.random(400) < 0.15).astype(float)
        shared = events + random.normal(0, 1, 400)
        one, two = (shared + random.normal(0, 0.5, 400) for _ in range(2))
        whole = compare_rankings("rows", events, one, two, np.arange(400), margin=0.05).whole
        n_held += whole.low <= 0 <= whole.high
    truth.at_least(n_held / n_runs, 0.92, n=n_runs)


def test_a_warm_start_lets_the_live_version_learn_on_and_says_what_ships(
    workspace: Workspace, clock: HandClock, small: None
) -> None:
    from core.retraining.generated import SESSION, train_on_draws

    world = live_world(workspace, clock, *MODELS[0])
    asked = world.retrainings.now(
        "liquidity_shock", actor=ANA, policy=msgspec.structs.replace(RULES, start="warm", tune="never")
    )
    live = world.registry.get("liquidity_shock", "1.0.0")
    plan = plan_draws(workspace, asked, live, settings_in_force(workspace.root))
    assert plan.training.advanced.enable_hyperparameter_tuning is False
    scores = {}
    for start in ("cold", "warm"):
        policy = msgspec.structs.replace(asked.policy, start=start)
        folder = folder_of(workspace, asked.retraining_id) / start
        folder.mkdir(parents=True)
        plan.write(folder)
        done = train_on_draws(workspace, msgspec.structs.replace(asked, policy=policy), live, folder)
        assert ("continue" in done.reason) is (start == "warm")
        first = sorted((folder / SESSION).glob("epoch*"))[0]
        scores[start] = bytes_of(first)
    assert scores["warm"] != scores["cold"], "the first epoch began elsewhere"


def test_tuning_by_policy_is_laid_over_the_recipe() -> None:
    advanced = settings_of_tuning(True)
    assert RULES.tuned(advanced) == advanced
    assert msgspec.structs.replace(RULES, tune="never").tuned(advanced) == settings_of_tuning(False)
    assert msgspec.structs.replace(RULES, tune="always").tuned(settings_of_tuning(False)) == advanced


def settings_of_tuning(is_on: bool):
    from core.settings.training import AdvancedSettings

    return AdvancedSettings(enable_hyperparameter_tuning=is_on)
