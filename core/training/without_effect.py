"""What the settings say that nothing will read: a value that is set, and whose switch is off or points elsewhere."""

from collections.abc import Iterator

from core.settings import TrainingSettings
from core.settings.training import AdvancedSettings, EnsembleSettings, TuningSettings
from core.training.ensemble_plan import BLENDING, METHODS, STACKING
from core.training.tuning.plan import SWITCH

_ENSEMBLE, _ADVANCED, _TUNING = EnsembleSettings(), AdvancedSettings(), TuningSettings()


def without_effect(settings: TrainingSettings) -> tuple[str, ...]:
    """List, a sentence each, the settings that differ from their defaults and that a session does not read.

    Args:
        settings: The session's settings.
    """
    found = (*_of_ensembles(settings), *_of_votes(settings), *_of_search(settings))
    return tuple(f"{key} has no effect: {reason}." for key, reason in found)


def _of_ensembles(settings: TrainingSettings) -> Iterator[tuple[str, str]]:
    own, other = settings.ensemble, settings.advanced
    strategy = other.ensemble_strategy if other.enable_ensemble_methods else None
    stacks, blends = own.enable_stacking or strategy == "stacking", own.enable_blending or strategy == "blending"
    votes = strategy == "voting"
    if own.meta_learner != _ENSEMBLE.meta_learner and not stacks:
        yield "ensemble.meta_learner", "it combines a stack, and no stack is on"
    if own.cross_validation_folds != _ENSEMBLE.cross_validation_folds and not stacks and not votes:
        yield "ensemble.cross_validation_folds", "stacks and votes are fitted on folds, and neither is on"
    if own.base_models != _ENSEMBLE.base_models and not (own.enable_stacking or own.enable_blending):
        yield "ensemble.base_models", f"neither {STACKING} nor {BLENDING} is on"
    if strategy is None:
        for key in ("ensemble_strategy", "base_models", "voting"):
            if getattr(other, key) != getattr(_ADVANCED, key):
                yield f"advanced.{key}", f"{METHODS} is off"
    elif other.voting != _ADVANCED.voting and not votes:
        yield "advanced.voting", f"advanced.ensemble_strategy is {strategy}"
    if blends or (votes and other.voting == "weighted"):
        return
    weights = "weights are optimised in a blend and in a weighted vote, and neither is on"
    if other.diversity != _ADVANCED.diversity:
        yield "advanced.diversity", weights
    if other.weight_bounds:
        yield "advanced.weight_bounds", weights


def _of_votes(settings: TrainingSettings) -> Iterator[tuple[str, str]]:
    """Tell parameters of the weights of votes whose weights are equal, by model."""
    for name, model in settings.models.items():
        votes = model.parameters.get("voting", _ADVANCED.voting)
        if model.algorithm == "voting" and votes != "weighted":
            for key in ("diversity", "weight_bounds"):
                if model.parameters.get(key):
                    yield f"models.{name}.parameters.{key}", f"the members of a {votes} vote have equal weights"


def _of_search(settings: TrainingSettings) -> Iterator[tuple[str, str]]:
    other = settings.advanced
    if not other.enable_hyperparameter_tuning:
        for key in ("tuning_method", "parameter_ranges"):
            if getattr(other, key) != getattr(_ADVANCED, key):
                yield f"advanced.{key}", f"{SWITCH} is off"
        shared = ("folds", "rows") if other.enable_feature_selection else ()
        for key in _TUNING.__struct_fields__:
            if getattr(settings.tuning, key) != getattr(_TUNING, key) and key not in shared:
                yield f"tuning.{key}", f"{SWITCH} is off"
    if not other.enable_feature_selection:
        for key in ("selection_method", "max_features"):
            if getattr(other, key) != getattr(_ADVANCED, key):
                yield f"advanced.{key}", "advanced.enable_feature_selection is off"
