"""What a training session is told: the flat keys at the top of a settings file, and the blocks beside them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.settings.quality import QualityGates

BaseModel = Literal[
    "auto",
    "linear",
    "lightgbm",
    "random_forest",
    "gradient_boosting",
    "hist_gradient_boosting",
    "xgboost",
    "isolation_forest",
    "residual",
]
Folds = Annotated[int, Meta(ge=2, le=20)]


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of the `models` block."""

    algorithm: Annotated[
        str, Meta(description="A way of training that the model knows; auto tries what suits it and ships what wins.")
    ] = "auto"
    parameters: Annotated[
        dict[str, float | int | bool | str], Meta(description="Handed to the algorithm as they are.")
    ] = {}


class EnsembleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `ensemble` block."""

    enable_stacking: Annotated[bool, Meta(description="Stack the base models out of fold.")] = False
    enable_blending: Annotated[bool, Meta(description="Blend the base models by optimised weights.")] = False
    base_models: Annotated[tuple[BaseModel, ...], Meta(description="Whom to combine.")] = (
        "lightgbm",
        "random_forest",
        "linear",
    )
    meta_learner: Annotated[Literal["linear", "lightgbm"], Meta(description="Who combines them.")] = "linear"
    cross_validation_folds: Annotated[Folds, Meta(description="Folds; a group is in one of them.")] = 5


class StressTestingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `stress_testing` block."""

    enable_stress_testing: Annotated[bool, Meta(description="Run the scenarios below during a session.")] = False
    enable_global_liquidity_freeze: bool = True
    enable_downgrade_cascade: bool = True
    enable_interest_rate_shocks: bool = True
    enable_inflation_scenarios: bool = True
    enable_fx_risk_scenarios: bool = True
    scenario_count: Annotated[int, Meta(ge=1, le=1000, description="Scenarios a test.")] = 10
    stress_test_interval_epochs: Annotated[int, Meta(ge=1, le=100_000, description="Epochs between two tests.")] = 10


class AdvancedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `advanced` block."""

    enable_hyperparameter_tuning: Annotated[bool, Meta(description="Search parameters before training.")] = False
    tuning_method: Literal["grid_search", "random_search", "bayesian"] = "random_search"
    parameter_ranges: Annotated[
        dict[str, tuple[float | int | str | bool, ...]], Meta(description="Values to try, by parameter.")
    ] = {}
    enable_ensemble_methods: Annotated[bool, Meta(description="Combine several models into one.")] = False
    ensemble_strategy: Literal["voting", "stacking", "blending"] = "stacking"
    base_models: Annotated[tuple[BaseModel, ...], Meta(description="Whom to combine.")] = ("lightgbm", "random_forest")
    enable_feature_selection: Annotated[bool, Meta(description="Drop features that carry nothing.")] = False
    selection_method: Literal["importance", "mutual_information", "recursive"] = "importance"
    max_features: Annotated[int, Meta(ge=1, le=10_000, description="Most features to keep.")] = 30


class TrainerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `trainer` block: the child process that does the crunching."""

    n_threads: Annotated[int, Meta(ge=0, le=256, description="Models trained side by side; 0: one a core.")] = 0
    memory_limit_mb: Annotated[
        int, Meta(ge=0, description="Address space the child may take, MiB; 0: no limit of its own.")
    ] = 0
    max_retries: Annotated[int, Meta(ge=0, le=20, description="Attempts at an epoch whose child died.")] = 3


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what a session computes: same settings, same bytes."""

    random_seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Where every random draw starts.")] = 42
    max_epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="Most epochs of a session.")] = 100
    convergence_threshold: Annotated[
        float, Meta(gt=0, lt=1, description="An epoch that improves the best score by less than this has not improved.")
    ] = 0.001
    patience: Annotated[
        int, Meta(ge=1, le=100_000, description="Epochs without improvement before a session ends.")
    ] = 10
    quality_threshold: Annotated[
        float,
        Meta(ge=0, le=1, description="Least mean quality score of the data a session may call itself converged on."),
    ] = 0.95
    dataset_size: Annotated[int, Meta(ge=100, le=10_000_000, description="Rows drawn each epoch.")] = 150
    training_split: Annotated[
        float, Meta(ge=0.5, le=0.95, description="Share of each draw's groups learnt from; the rest checks the fit.")
    ] = 0.8
    convergence_timeout_hours: Annotated[
        float, Meta(gt=0, le=8760, description="A session that has not converged by then ends gracefully.")
    ] = 24.0
    models: Annotated[
        dict[str, ModelSettings], Meta(description="The models to train, by name; empty: all of the domain.")
    ] = {}
    quality_gates: QualityGates = QualityGates()
    ensemble: EnsembleSettings = EnsembleSettings()
    stress_testing: StressTestingSettings = StressTestingSettings()
    advanced: AdvancedSettings = AdvancedSettings()
    trainer: TrainerSettings = TrainerSettings()
    domain: Annotated[str, Meta(description="What to train on: a domain that draws its own data.")] = "bonds"
    domain_settings: Annotated[dict[str, Any], Meta(description="What the domain wants to be told.")] = {}


def unavailable_features(settings: TrainingSettings) -> tuple[str, ...]:
    """Say, a sentence each, what the settings switch on that this release cannot do.

    The session runs without it; the sentences are shown at its start and stand in its report, so that nobody
    believes in a stress test that never ran.
    """
    switches = (
        (settings.ensemble.enable_stacking, "ensemble.enable_stacking", "the models are trained singly"),
        (settings.ensemble.enable_blending, "ensemble.enable_blending", "the models are trained singly"),
        (settings.stress_testing.enable_stress_testing, "stress_testing.enable_stress_testing", "no scenario is run"),
        (
            settings.advanced.enable_hyperparameter_tuning,
            "advanced.enable_hyperparameter_tuning",
            "parameters stay as they are given",
        ),
        (
            settings.advanced.enable_ensemble_methods,
            "advanced.enable_ensemble_methods",
            "the models are trained singly",
        ),
        (settings.advanced.enable_feature_selection, "advanced.enable_feature_selection", "all features are kept"),
    )
    return tuple(
        f"{key} is on, but this release has no engine for it: {consequence}."
        for is_on, key, consequence in switches
        if is_on
    )
