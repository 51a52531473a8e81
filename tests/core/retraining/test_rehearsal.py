"""The recorded past under another policy: what can be replayed is, and the rest is said to be unknown."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.cli.main import main
from core.errors import ExitCode, NotFoundError, UsageError
from core.json_documents import converted
from core.monitoring.documents import DriftPart, ModelMonitoring, MonitoredColumn, VersionMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.retraining.comparing import Compared, VersionComparison
from core.retraining.document import Retraining, RetrainingPhase, RetrainingStep, StepName, StepState, TriggerKind
from core.retraining.rehearsal.documents import Rehearsal, RehearsedKind, Would
from core.retraining.rehearsal.judging import judge_again
from core.retraining.rehearsal.rehearse import rehearse
from core.retraining.rehearsal.triggers import RecordedModel, rows_of, would_start
from core.settings import Policy
from core.settings.overlay import overlay
from core.settings.policy_source import load_policy
from core.settings.retraining import (
    DriftTrigger,
    RetrainingPolicy,
    RetrainingSource,
    RetrainingValidation,
    StressGate,
)
from core.view.past.recorder import DocumentRecorder
from tests.clocks import START
from tests.end_to_end import market
from tests.retraining_world import BEN, MODEL, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ON_DRIFT = RetrainingPolicy(
    enabled=True, drift=DriftTrigger(), cooldown_hours=6, source=RetrainingSource(kind="files", path="new")
)


def seen(verdict: DriftVerdict, at: datetime = START) -> ModelMonitoring:
    area = MonitoredColumn(name="area", type=DriftType.FEATURE, verdict=verdict, reason="", importance=0.6)
    drift = DriftPart(as_of=at, verdict=verdict, columns=(area,))
    live = VersionMonitoring(version="1.0.0", role="stable", drift=drift)
    return ModelMonitoring(model=MODEL, versions=(live,), updated_at=at)


def recorded(**given: Any) -> RecordedModel:
    known: dict[str, Any] = {
        "model": MODEL,
        "lives": [(START - DAY, "1.0.0")],
        "registered_at": {"1.0.0": START - DAY},
        "monitoring": [
            (START, seen(DriftVerdict.STABLE)),
            (START + 2 * HOUR, seen(DriftVerdict.ALARM)),
        ],
        "watched": [(START - DAY, START + 2 * DAY)],
    }
    return RecordedModel(**(known | given))


def starts(policy: RetrainingPolicy, **given: Any) -> list[float]:
    found = would_start(recorded(**given), policy, since=START, until=START + DAY)
    return [(at - START) / HOUR for at, _ in found]


def test_triggers_are_due_when_the_recorded_monitoring_says_so_and_wait_for_the_cooldown() -> None:
    assert starts(ON_DRIFT) == [2.0, 8.0], "two a day"
    assert starts(msgspec.structs.replace(ON_DRIFT, max_per_day=1)) == [2.0]
    assert starts(msgspec.structs.replace(ON_DRIFT, enabled=False)) == []


def test_nothing_starts_while_no_engine_ran_a_rollout_was_under_way_or_another_version_was_live() -> None:
    assert starts(ON_DRIFT, watched=[(START - DAY, START + HOUR), (START + 10 * HOUR, START + DAY)])[0] == 10.0
    assert starts(ON_DRIFT, rollouts=[(START, START + 5 * HOUR, "ro-0001")])[0] == 5.0
    assert starts(ON_DRIFT, lives=[(START - DAY, "0.9.0"), (START + 12 * HOUR, "1.0.0")])[0] == 12.0
    assert starts(ON_DRIFT, lives=[]) == []


def test_rows_count_once_their_outcomes_were_known() -> None:
    policy = RetrainingPolicy(enabled=True, min_new_samples=60, min_samples=50, cooldown_hours=1, max_per_day=9)
    answered = [(START + HOUR).timestamp()] * 80
    late = rows_of(answered, [(START + 3 * HOUR).timestamp()] * 80)
    assert starts(policy, rows=late) == [3.0]
    few = rows_of(answered[:55], [(START + 3 * HOUR).timestamp()] * 55)
    assert starts(policy, rows=few) == []


def test_a_schedule_starts_by_its_clock_and_hand_made_retrainings_count_for_the_cooldown() -> None:
    policy = RetrainingPolicy(
        enabled=True, schedule="0 12,15 * * *", cooldown_hours=4, source=RetrainingSource(kind="files", path="new")
    )
    assert starts(policy) == [3.0, 7.0]
    by_hand = retraining(TriggerKind.MANUAL, created_at=START + HOUR, ended_at=START + 2 * HOUR)
    assert starts(policy, retrainings=[by_hand]) == [5.0], "two a day, the one by hand included"


def retraining(
    trigger: TriggerKind,
    *,
    created_at: datetime = START,
    ended_at: datetime | None = None,
    policy: RetrainingPolicy = ON_DRIFT,
    **steps: RetrainingStep,
) -> Retraining:
    found = Retraining(
        retraining_id="rt-0001",
        model=MODEL,
        trigger=trigger,
        cause="",
        policy=policy,
        as_of=created_at,
        created_at=created_at,
        created_by="ana@desk",
        desired_by="ana@desk",
        desired_at=created_at,
        updated_at=created_at,
        updated_by="ana@desk",
    )
    made = tuple(steps.get(step.name.value, step) for step in found.observed.steps)
    observed = msgspec.structs.replace(
        found.observed, steps=made, phase=RetrainingPhase.DONE, champion="1.0.0", ended_at=ended_at or created_at + HOUR
    )
    return msgspec.structs.replace(found, observed=observed)


def checked(at_least: float = 0.02, **given: Any) -> RetrainingStep:
    evidence = {"flips": {"at_least": at_least, "held_out": 0.01}, "duplicates": {"share": 0.1, "found": ""}}
    return RetrainingStep(name=StepName.CHECK, evidence=evidence, state=given.get("state", StepState.DONE))


def validated(difference: float, low: float, high: float, *, state: StepState = StepState.DONE, **evidence: Any):
    whole = Compared(
        name="newest rows",
        n=400,
        live_loss=2.0,
        new_loss=2.0 + difference,
        difference=difference,
        low=low,
        high=high,
        margin=0.1,
    )
    figures = VersionComparison("absolute error", whole, ()).figures()
    return RetrainingStep(name=StepName.VALIDATE, state=state, evidence={"newest rows": figures, **evidence})


def rules(**validation: Any) -> RetrainingPolicy:
    return msgspec.structs.replace(ON_DRIFT, validation=RetrainingValidation(**validation))


@pytest.mark.parametrize(
    ("check", "validate", "policy", "would", "said"),
    [
        pytest.param(checked(), validated(-0.4, -0.6, -0.2), ON_DRIFT, Would.YES, "pass under both", id="as it was"),
        pytest.param(
            checked(), validated(0.0, -0.1, 0.1), ON_DRIFT, Would.NO, "not shown to be better", id="must be better"
        ),
        pytest.param(
            checked(), validated(0.0, -0.1, 0.1), rules(require="non_inferior"), Would.YES, "", id="need not be better"
        ),
        pytest.param(
            checked(),
            validated(0.0, -0.1, 0.1),
            rules(require="non_inferior", margin=0.01),
            Would.NO,
            "not shown to be within 0.02",
            id="a smaller margin",
        ),
        pytest.param(
            checked(0.2), validated(-0.4, -0.6, -0.2), ON_DRIFT, Would.NO, "flipped outcomes at least 20", id="flips"
        ),
        pytest.param(
            checked(),
            validated(-0.4, -0.6, -0.2),
            rules(held_out_share=0.4),
            Would.UNKNOWN,
            "on other rows",
            id="other rows",
        ),
        pytest.param(
            checked(),
            validated(-0.4, -0.6, -0.2),
            rules(stress=StressGate()),
            Would.UNKNOWN,
            "stress was not measured",
            id="a gate that was not measured",
        ),
        pytest.param(
            checked(),
            validated(0.0, -0.1, 0.1, state=StepState.STOPPED),
            rules(require="non_inferior"),
            Would.UNKNOWN,
            "what its rollout shows is unknown",
            id="it would have passed",
        ),
    ],
)
def test_the_recorded_evidence_is_judged_by_the_other_limits(check, validate, policy, would, said) -> None:
    found = judge_again(retraining(TriggerKind.DRIFT, check=check, validate=validate), policy)
    assert found[0] is would
    assert said in found[1]


def changed(world: World, **policy: Any) -> Policy:
    in_force = load_policy(world.workspace.root)
    return converted(overlay(msgspec.to_builtins(in_force), policy), Policy)


def test_promotions_are_judged_by_the_recorded_figures_of_their_versions(world: World) -> None:
    now = world.clock.now + HOUR
    same = rehearse(world.workspace, changed(world), over=DAY, now=now)
    strict = rehearse(world.workspace, changed(world, promotion={"min_accuracy": 0.9999}), over=DAY, now=now)
    promotions = [event for event in strict.events if event.kind is RehearsedKind.PROMOTION]
    assert [(event.what, event.would) for event in promotions] == [
        ("1.0.0 to Staging by ana@desk", Would.YES),
        ("1.0.0 to Production by ana@desk", Would.NO),
    ]
    assert promotions[1].reason.startswith("min_accuracy: 0.99")
    assert not any(event.differs for event in same.events)
    asked = rehearse(world.workspace, changed(world, promotion={"required_approvals": 2}), over=DAY, now=now)
    assert [event.would for event in asked.events if event.differs or event.would is Would.UNKNOWN] == [Would.UNKNOWN]


def files_of(world: World) -> dict[Path, bytes]:
    folder = world.workspace.root / "state"
    return {each: each.read_bytes() for each in folder.iterdir() if each.suffix == ".json"}


def recorded_past(world: World) -> Rehearsal:
    """Record a day with a drift and a retraining by hand, and rehearse a policy that trains on drift."""
    recorder = DocumentRecorder(world.workspace, hours=720, clock=world.clock)
    store = MonitoringStore(world.workspace)
    store.write([seen(DriftVerdict.STABLE)])
    recorder.look()
    world.pass_by(hours=2)
    store.write([seen(DriftVerdict.ALARM)])
    recorder.look()
    world.offer(*market.flats(150, seed=2))
    asked = world.retrainings.now(MODEL, actor=BEN, reason="a new month")
    world.run(asked.retraining_id, to=RetrainingPhase.REJECTED)  # too few rows
    world.pass_by(hours=30)
    recorder.look()
    recorder.close()
    before = files_of(world)
    policy = changed(world, retraining={"enabled": True, "drift": {}, "cooldown_hours": 24})
    found = rehearse(world.workspace, policy, over=30 * DAY, now=world.clock.now)
    assert files_of(world) == before, "a rehearsal changes nothing"
    return found


def test_retrainings_that_would_have_started_stand_beside_those_that_did(world: World) -> None:
    found = recorded_past(world)
    trained = [event for event in found.events if event.kind is RehearsedKind.RETRAINING]
    assert [(event.happened, event.would) for event in trained] == [(True, Would.YES), (False, Would.YES)]
    by_hand, by_drift = trained
    assert "ben@desk asked for it" in by_hand.reason
    assert "its end is unknown" in by_hand.reason
    assert "drift: area moved, 60% of the importance" in by_drift.reason
    assert (by_drift.is_estimate, by_drift.seconds) == (True, by_hand.seconds)
    assert by_drift.at - by_hand.at >= DAY, "the one by hand counts for the cooldown"
    (counted,) = [each for each in found.counts() if each.kind is RehearsedKind.RETRAINING]
    assert (counted.happened, counted.would) == (1, 2)
    said = " ".join(found.unknown)
    assert "no states of monitoring are recorded" in said
    assert "would have trained is unknown" in said
    assert "files gave at a past instant" in said


def test_the_command_prints_what_differs_and_what_is_unknown(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.clock.utc_now", lambda: world.clock.now + HOUR)
    file = tmp_path / "new.yaml"
    file.write_text("promotion: {min_accuracy: 0.9999}\n")
    words = ["--workspace", str(world.workspace.root), "policy", "rehearse", "--policy", str(file)]
    assert main([*words, "--over", "1d"]) == ExitCode.GOOD
    printed = capsys.readouterr().out
    assert "1.0.0 to Production by ana@desk" in printed
    assert "1.0.0 to Staging" not in printed
    assert "unknown: No states of monitoring are recorded" in printed
    assert main([*words, "--over", "1d", "--model", MODEL, "--json"]) == ExitCode.GOOD
    document = json.loads(capsys.readouterr().out)
    assert document["counts"][0] == {
        "kind": "promotion",
        "happened": 2,
        "would": 1,
        "unknown": 0,
        "seconds": 0.0,
        "would_seconds": 0.0,
    }
    file.write_text("promotion: {min_acuracy: 0.9}\n")
    assert main(words) == ExitCode.USAGE
    assert "min_accuracy" in capsys.readouterr().err
    assert main([*words[:-1], str(tmp_path / "none.yaml")]) == ExitCode.USAGE


def test_a_wrong_period_and_an_unknown_model_are_refused(world: World) -> None:
    policy = changed(world)
    with pytest.raises(UsageError, match="at most 366 days"):
        rehearse(world.workspace, policy, over=400 * DAY, now=world.clock.now)
    with pytest.raises(NotFoundError):
        rehearse(world.workspace, policy, over=DAY, now=world.clock.now, models=("nobody",))
