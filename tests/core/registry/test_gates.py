from collections.abc import Callable

import msgspec
import pytest

from core.explain.stored import ExplanationFinding
from core.quality.gate import GateVerdict, judge
from core.registry import ModelVersion, Stage
from core.registry.gates import promotion_gates
from core.settings.promotion import PromotionSettings

PASS, FAIL, WARN = GateVerdict.PASS, GateVerdict.FAIL, GateVerdict.WARN


@pytest.fixture
def candidate(register: Callable[..., ModelVersion]) -> ModelVersion:
    return register(attainment=0.88)


def verdicts(
    candidate: ModelVersion,
    *,
    live: float | None = 0.90,
    to_stage: Stage = Stage.PRODUCTION,
    problems: tuple[str, ...] = (),
    settings: PromotionSettings = PromotionSettings(),  # noqa: B008 - frozen
) -> dict[str, GateVerdict]:
    production = msgspec.structs.replace(
        candidate, version="0.9.0", metrics={} if live is None else {"attainment": live}
    )
    gates = promotion_gates(candidate, production, settings, to_stage=to_stage, integrity=problems)
    return {gate.name: gate.verdict for gate in gates}


def changed(candidate: ModelVersion, **fields) -> ModelVersion:
    return msgspec.structs.replace(candidate, **fields)


def test_a_good_version_passes_every_gate(candidate: ModelVersion) -> None:
    assert set(verdicts(candidate).values()) == {PASS}


def gates_of(candidate: ModelVersion, production: ModelVersion) -> dict:
    found = promotion_gates(candidate, production, PromotionSettings(), to_stage=Stage.PRODUCTION, integrity=())
    return {gate.name: gate for gate in found}


def test_every_gate_says_on_what_it_rests(candidate: ModelVersion) -> None:
    session = {"data": {"draws": {"n_rows": 900}, "test": {"n_rows": 1200, "seed": 7}}}
    file = {"data": {"file": {"n_rows": 500}}, "split": {"n_tested": 100, "is_cross_validated": False}}
    looked = (judge("coverage", 99.0, ">=", 90.0, unit="%", n_samples=51_300, window="cells of the draw of epoch 3"),)
    new, live = changed(candidate, lineage=session, gates=looked), changed(candidate, version="0.9.0", lineage=file)

    found = gates_of(new, live)

    assert found["quality_gates"].basis == "on 900 rows of the training data"
    assert all(gate.n_samples > 0 and gate.window for gate in found.values())
    assert found["min_accuracy"].basis == "on 1,200 rows of the panel test, seed 7"
    assert found["attainment_drop"].basis == (
        "on 1,200 rows of the panel test, seed 7; 0.9.0: 100 rows held out of the file"
    )
    assert gates_of(live, new)["min_accuracy"].n_samples == 100


@pytest.mark.parametrize(
    ("lineage", "basis"),
    [
        ({"data": {"documents": {"n_rows": 900}, "judged": {"n_rows": 200, "seed": 42}}},
         "on 200 documents that it has not seen, seed 42"),
        ({"data": {"file": {"n_rows": 500}}, "split": {"n_tested": 100, "is_cross_validated": False}},
         "on 100 documents held out of the file"),
    ],
    ids=["of a grammar", "of one's own"],
)  # fmt: skip
def test_a_model_of_language_is_rated_on_documents(candidate: ModelVersion, lineage: dict, basis: str) -> None:
    version = changed(candidate, lineage={"task": "text", **lineage})
    assert gates_of(version, version)["min_accuracy"].basis == basis


def test_a_version_without_a_record_of_its_test_rows_says_so(candidate: ModelVersion) -> None:
    found = gates_of(changed(candidate, lineage={}), changed(candidate, version="0.9.0"))["min_accuracy"]
    assert (found.n_samples, found.basis) == (0, "its registration does not say on how many rows")


def test_a_gate_at_its_threshold_passes(candidate: ModelVersion) -> None:
    at_the_limits = PromotionSettings(min_accuracy=0.88, max_attainment_drop=0.02)
    assert set(verdicts(candidate, settings=at_the_limits).values()) == {PASS}


@pytest.mark.parametrize(
    ("fields", "gate"),
    [
        pytest.param({"metrics": {"attainment": 0.84}}, "min_accuracy", id="too little attainment"),
        pytest.param({"metrics": {}}, "min_accuracy", id="unknown attainment"),
        pytest.param({"metrics": {"attainment": 0.87}}, "attainment_drop", id="worse than what is live"),
        pytest.param({"gates": ()}, "quality_gates", id="data that no gate has seen"),
    ],
)
def test_a_shortcoming_fails_its_gate_before_production(candidate, fields: dict, gate: str) -> None:
    assert verdicts(changed(candidate, **fields))[gate] is FAIL


@pytest.mark.parametrize("gate", ["min_accuracy", "attainment_drop", "quality_gates"])
def test_on_the_way_to_staging_the_same_shortcomings_only_warn(candidate: ModelVersion, gate: str) -> None:
    poor = changed(candidate, metrics={"attainment": 0.5}, gates=())
    assert verdicts(poor, to_stage=Stage.STAGING)[gate] is WARN


@pytest.mark.parametrize("to_stage", [Stage.STAGING, Stage.PRODUCTION])
def test_changed_files_fail_on_the_way_to_any_stage(candidate: ModelVersion, to_stage: Stage) -> None:
    assert verdicts(candidate, to_stage=to_stage, problems=("model.txt was changed",))["verified_artifact"] is FAIL


def test_settings_can_turn_a_requirement_into_a_warning(candidate: ModelVersion) -> None:
    lenient = PromotionSettings(require_quality_gates=False, require_verified_artifact=False)
    found = verdicts(changed(candidate, gates=()), problems=("model.txt was changed",), settings=lenient)
    assert (found["quality_gates"], found["verified_artifact"]) == (WARN, WARN)


def test_the_first_version_is_compared_with_nothing(candidate: ModelVersion) -> None:
    gates = promotion_gates(candidate, None, PromotionSettings(), to_stage=Stage.PRODUCTION, integrity=())
    assert "attainment_drop" not in {gate.name for gate in gates}


def test_a_live_version_without_attainment_does_not_block_every_successor(candidate: ModelVersion) -> None:
    assert verdicts(candidate, live=None)["attainment_drop"] is WARN


@pytest.mark.parametrize(
    ("metrics", "settings", "verdict", "says"),
    [
        pytest.param({"accuracy": 0.9}, {}, PASS, "accuracy 0.9 >= 0.85", id="accuracy where there is no attainment"),
        pytest.param({"r2": 0.5}, {}, FAIL, "r2 0.5 < 0.85", id="r2"),
        pytest.param({"attainment": 0.5, "accuracy": 0.9}, {}, FAIL, "0.5 < 0.85", id="attainment goes first"),
        pytest.param({"auc": 0.9}, {"accuracy_metric": "auc"}, PASS, "auc 0.9 >= 0.85", id="the policy's own"),
        pytest.param({"auc": 0.9}, {}, FAIL, "registered without attainment", id="none of them"),
    ],
)
def test_accuracy_is_what_the_policy_names_or_the_first_there_is(candidate, metrics, settings, verdict, says) -> None:
    gates = promotion_gates(
        changed(candidate, metrics=metrics),
        None,
        PromotionSettings(**settings),
        to_stage=Stage.PRODUCTION,
        integrity=(),
    )
    found = next(gate for gate in gates if gate.name == "min_accuracy")
    assert found.verdict is verdict
    assert says in found.reason


@pytest.mark.parametrize(
    ("metrics", "settings", "verdict"),
    [
        pytest.param({}, {}, None, id="not measured and not required"),
        pytest.param({}, {"require_drift_check": True}, FAIL, id="not measured but required"),
        pytest.param({"drift": 0.1}, {}, PASS, id="at the limit"),
        pytest.param({"drift": 0.11}, {}, FAIL, id="above it"),
    ],
)
def test_drift_is_judged_where_it_was_measured_or_must_be(candidate, metrics, settings, verdict) -> None:
    found = verdicts(
        changed(candidate, metrics={"attainment": 0.88, **metrics}), settings=PromotionSettings(**settings)
    )
    assert found.get("max_drift") is verdict


SOUND = ExplanationFinding(n_rows=200, n_features=3, sum_error=1e-12, fidelity=0.7)


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        pytest.param(SOUND, PASS, "a small tree imitates it with R² 0.70", id="sound"),
        pytest.param(None, FAIL, "no explanation of", id="nobody looked"),
        pytest.param(ExplanationFinding(problem="it has none"), FAIL, "it has none", id="none"),
        pytest.param(msgspec.structs.replace(SOUND, sum_error=2e-6), FAIL, "by up to 2.0e-06", id="sums"),
        pytest.param(msgspec.structs.replace(SOUND, n_features=0), FAIL, "no column moves an answer", id="no features"),
        pytest.param(msgspec.structs.replace(SOUND, fidelity=None), FAIL, "200 rows are too few", id="few rows"),
        pytest.param(msgspec.structs.replace(SOUND, fidelity=0.3), PASS, "R² 0.30", id="at the limit"),
        pytest.param(msgspec.structs.replace(SOUND, fidelity=0.29), FAIL, "R² 0.29", id="below the limit"),
    ],
)
def test_a_policy_may_require_an_explanation(candidate: ModelVersion, found, verdict, words) -> None:
    gates = promotion_gates(
        candidate,
        None,
        PromotionSettings(require_explainability=True),
        to_stage=Stage.PRODUCTION,
        integrity=(),
        explained=found,
    )
    gate = next(gate for gate in gates if gate.name == "explainability")
    assert gate.verdict is verdict
    assert words in gate.reason


def test_any_fidelity_will_do_where_the_policy_says_so(candidate: ModelVersion) -> None:
    settings = PromotionSettings(require_explainability=True, min_fidelity=0.0)
    found = msgspec.structs.replace(SOUND, fidelity=-0.2)
    gates = promotion_gates(candidate, None, settings, to_stage=Stage.PRODUCTION, integrity=(), explained=found)
    assert next(gate for gate in gates if gate.name == "explainability").verdict is PASS


@pytest.mark.parametrize("is_member_live", [False, True])
def test_a_member_and_its_ensemble_are_compared_on_the_rows_that_measured_the_member(
    candidate: ModelVersion, is_member_live: bool
) -> None:
    lineage = {"split": {"n_tested": 600}}
    whole = changed(candidate, key="spread/0.9.0", version="0.9.0", metrics={"r2": 0.87}, lineage=lineage)
    made_of = {"of": whole.key, "member": "linear", "whole_metrics": {"r2": 0.96}}
    lineage = {"data": {"test": {"n_rows": 400}}, "member": made_of}
    member = changed(candidate, key="spread/0.9.1", version="0.9.1", metrics={"r2": 0.94}, lineage=lineage)

    found = gates_of(whole, member) if is_member_live else gates_of(member, whole)

    gate = found["attainment_drop"]
    assert gate.value == pytest.approx(-0.02 if is_member_live else 0.02)
    assert gate.basis == "on 400 rows of the panel test"
    other = changed(whole, key="spread/0.8.0", version="0.8.0")
    assert gates_of(member, other)["attainment_drop"].value == pytest.approx(0.87 - 0.94)
