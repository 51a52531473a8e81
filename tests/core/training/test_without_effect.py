"""Settings that nothing reads are named before a session starts; those that it reads are not."""

from typing import Any

import pytest

from core.json_documents import converted
from core.settings import TrainingSettings
from core.training.session_domain import announcements
from core.training.without_effect import without_effect


def keys_without_effect(**given: Any) -> list[str]:
    sentences = without_effect(converted(given, TrainingSettings))
    return [sentence.partition(" has no effect: ")[0] for sentence in sentences]


def advanced(**given: Any) -> dict[str, Any]:
    return {"advanced": {"enable_ensemble_methods": True, "base_models": ["linear", "lightgbm"], **given}}


BOUNDS = {"weight_bounds": {"linear": [0, 0.5]}, "diversity": 0.5}
OF_WEIGHTS = ["advanced.diversity", "advanced.weight_bounds"]


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        pytest.param({}, [], id="defaults"),
        pytest.param(advanced(ensemble_strategy="voting", voting="hard", **BOUNDS), OF_WEIGHTS, id="a hard vote"),
        pytest.param(advanced(ensemble_strategy="voting", **BOUNDS), OF_WEIGHTS, id="a soft vote"),
        pytest.param(advanced(ensemble_strategy="stacking", **BOUNDS), OF_WEIGHTS, id="a stack"),
        pytest.param(advanced(ensemble_strategy="voting", voting="weighted", **BOUNDS), [], id="a weighted vote"),
        pytest.param(advanced(ensemble_strategy="blending", **BOUNDS), [], id="a blend"),
        pytest.param(
            advanced(ensemble_strategy="blending", voting="hard"), ["advanced.voting"], id="a vote of a blend"
        ),
        pytest.param({"advanced": {"voting": "hard"}}, ["advanced.voting"], id="a vote, switched off"),
        pytest.param({"advanced": {"base_models": ["linear"]}}, ["advanced.base_models"], id="members, switched off"),
        pytest.param({"ensemble": {"base_models": ["linear"]}}, ["ensemble.base_models"], id="members of none"),
        pytest.param(
            {"ensemble": {"enable_blending": True, "meta_learner": "lightgbm", "cross_validation_folds": 3}},
            ["ensemble.meta_learner", "ensemble.cross_validation_folds"],
            id="a meta-learner of a blend",
        ),
        pytest.param(
            {"ensemble": {"enable_stacking": True, "meta_learner": "lightgbm", "cross_validation_folds": 3}},
            [],
            id="a meta-learner of a stack",
        ),
        pytest.param(
            {"models": {"spread": {"algorithm": "voting", "parameters": {"diversity": 0.5}}}},
            ["models.spread.parameters.diversity"],
            id="a model that votes softly",
        ),
        pytest.param(
            {"models": {"spread": {"algorithm": "voting", "parameters": {"voting": "weighted", "diversity": 0.5}}}},
            [],
            id="a model that votes by weight",
        ),
        pytest.param(
            {"advanced": {"parameter_ranges": {"num_leaves": [7, 15]}}, "tuning": {"trials": 5, "folds": 3}},
            ["advanced.parameter_ranges", "tuning.trials", "tuning.folds"],
            id="a search, switched off",
        ),
        pytest.param(
            {"advanced": {"enable_feature_selection": True, "max_features": 5}, "tuning": {"trials": 5, "folds": 3}},
            ["tuning.trials"],
            id="a choice of columns reads the folds",
        ),
        pytest.param({"advanced": {"max_features": 5}}, ["advanced.max_features"], id="columns, switched off"),
    ],
)
def test_what_nothing_reads_is_named(given: dict[str, Any], keys: list[str]) -> None:
    assert keys_without_effect(**given) == keys


def test_a_person_hears_it_before_a_session_starts() -> None:
    told = announcements(converted({"advanced": {"voting": "hard"}}, TrainingSettings))
    assert "advanced.voting has no effect: advanced.enable_ensemble_methods is off." in told
