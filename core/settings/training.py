"""The training settings: the flat keys at the top of a settings file, and the blocks beside them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.settings.agents import AgentsSettings
from core.settings.attainment import AttainmentSettings
from core.settings.datasets import DataSetSettings
from core.settings.executor import ExecutorSettings
from core.settings.explanation import ExplanationSettings
from core.settings.held_out import HeldOutSettings
from core.settings.names import Name
from core.settings.quality import QualityGates

BaseModels = Annotated[
    tuple[Name, ...],
    Meta(description="The members: algorithms, or models of the domain (`spread`, also written `spread_model`)."),
]
Folds = Annotated[int, Meta(ge=2, le=20)]


def _require_once(names: tuple[str, ...]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"base_models names {twice} twice")


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of the `models` block."""

    algorithm: Annotated[
        Name, Meta(description="The algorithm; auto compares suitable algorithms and keeps the best.")
    ] = "auto"
    parameters: Annotated[
        dict[Name, float | int | bool | str], Meta(description="Parameters of the algorithm, passed through unchanged.")
    ] = {}


class EnsembleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `ensemble` block."""

    enable_stacking: Annotated[bool, Meta(description="Stack the base models out of fold.")] = False
    enable_blending: Annotated[bool, Meta(description="Blend the base models with optimised weights.")] = False
    base_models: BaseModels = ("lightgbm", "random_forest", "linear")
    meta_learner: Annotated[
        Literal["linear", "lightgbm", "random_forest", "gradient_boosting", "hist_gradient_boosting", "xgboost"],
        Meta(description="The model that combines them."),
    ] = "linear"
    cross_validation_folds: Annotated[Folds, Meta(description="Number of folds; a group is in one fold only.")] = 5

    def __post_init__(self) -> None:
        _require_once(self.base_models)


class StressTestingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `stress_testing` block."""

    enable_stress_testing: Annotated[
        bool, Meta(description="Run the scenarios below on draws, and for the final report.")
    ] = False
    enable_global_liquidity_freeze: Annotated[bool, Meta(description="Bonds cannot be sold anywhere.")] = True
    enable_downgrade_cascade: Annotated[bool, Meta(description="Downgrades that cause downgrades.")] = True
    enable_interest_rate_shocks: Annotated[bool, Meta(description="Yields that jump.")] = True
    enable_inflation_scenarios: Annotated[bool, Meta(description="Inflation above expectations.")] = True
    enable_fx_risk_scenarios: Annotated[bool, Meta(description="Exchange rates that jump.")] = True
    scenario_count: Annotated[
        int, Meta(ge=1, le=1000, description="Scenarios per test: severe ones first, then moderate, then mild ones.")
    ] = 10
    stress_test_interval_epochs: Annotated[int, Meta(ge=1, le=100_000, description="Epochs between tests.")] = 10
    stressed_share: Annotated[
        float, Meta(ge=0, le=0.5, description="Share of each epoch's rows that is drawn under a scenario.")
    ] = 0.0

    @property
    def families_off(self) -> frozenset[str]:
        """The families of scenarios that are switched off; a family without a switch is on."""
        switches = {
            "global_liquidity_freeze": self.enable_global_liquidity_freeze,
            "downgrade_cascade": self.enable_downgrade_cascade,
            "rate_shock": self.enable_interest_rate_shocks,
            "inflation": self.enable_inflation_scenarios,
            "fx_risk": self.enable_fx_risk_scenarios,
        }
        return frozenset(family for family, is_on in switches.items() if not is_on)


class ParameterRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A range of `parameter_ranges`: an interval, whole numbers where both ends are whole."""

    low: Annotated[float | int, Meta(description="Least value.")]
    high: Annotated[float | int, Meta(description="Greatest value.")]
    log: Annotated[bool, Meta(description="Whether each order of magnitude is equally likely.")] = False


class AdvancedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `advanced` block."""

    enable_hyperparameter_tuning: Annotated[bool, Meta(description="Search parameters before training.")] = False
    tuning_method: Annotated[
        Literal["grid_search", "random_search", "bayesian"], Meta(description="How parameters are searched.")
    ] = "random_search"
    parameter_ranges: Annotated[
        dict[Name, tuple[float | int | str | bool, ...] | ParameterRange],
        Meta(
            description="What to try, by parameter: a list of values, or an interval `{low: …, high: …, log: true}`. "
            "Empty: the usual ranges of each algorithm."
        ),
    ] = {}
    enable_ensemble_methods: Annotated[bool, Meta(description="Combine several models into one.")] = False
    ensemble_strategy: Annotated[
        Literal["voting", "stacking", "blending"], Meta(description="How the members are combined.")
    ] = "stacking"
    base_models: BaseModels = ("lightgbm", "random_forest")
    voting: Annotated[
        Literal["soft", "hard", "weighted"],
        Meta(description="A vote: the mean; the median or the majority; or the mean with optimised weights."),
    ] = "soft"
    diversity: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="What the correlation of members' errors counts beside the loss when weights are optimised.",
        ),
    ] = 0.0
    weight_bounds: Annotated[
        dict[Name, tuple[Annotated[float, Meta(ge=0, le=1)], Annotated[float, Meta(ge=0, le=1)]]],
        Meta(
            description="Least and greatest weight of members, such as `linear: [0, 0.5]`, when weights are optimised."
        ),
    ] = {}
    enable_feature_selection: Annotated[
        bool, Meta(description="Keep only the columns that say more of the target than copies without meaning.")
    ] = False
    selection_method: Annotated[
        Literal["importance", "mutual_information", "recursive"], Meta(description="How features are chosen.")
    ] = "importance"
    max_features: Annotated[
        int, Meta(ge=1, le=10_000, description="Maximum number of columns that a choice keeps.")
    ] = 30

    def __post_init__(self) -> None:
        _require_once(self.base_models)
        for name, (least, most) in self.weight_bounds.items():
            if least > most:
                raise ValueError(f"weight_bounds.{name} is from {least:g} to {most:g}; the least weight comes first")
        if (total := sum(least for least, _ in self.weight_bounds.values())) > 1:
            raise ValueError(f"weight_bounds: the least weights sum to {total:g}, and all weights sum to 1")


class TuningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `tuning` block: the budget of the search that `advanced.enable_hyperparameter_tuning` switches on."""

    trials: Annotated[
        int, Meta(ge=1, le=10_000, description="Trials per model, beside the recipe of the settings.")
    ] = 30
    minutes: Annotated[
        float, Meta(ge=0, le=100_000, description="Time limit of the search over all models; 0: no limit.")
    ] = 0.0
    folds: Annotated[int, Meta(ge=2, le=20, description="Folds of whole groups that score each trial.")] = 5
    prune: Annotated[bool, Meta(description="End a trial that is behind the better half after 1, 2, 4… folds.")] = True
    rows: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="Rows of the search; 0: what the epochs draw, from 500 to 4,000."),
    ] = 0


class TrainerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `trainer` block: the child process that computes."""

    n_threads: Annotated[int, Meta(ge=0, le=256, description="Models trained in parallel; 0: one per core.")] = 0
    memory_limit_mb: Annotated[int, Meta(ge=0, description="Address space limit of the child, MiB; 0: no limit.")] = 0
    max_retries: Annotated[int, Meta(ge=0, le=20, description="Attempts at an epoch after its child process died.")] = 3
    stall_seconds: Annotated[
        float, Meta(ge=0, description="What a gate or model may compute, or do nothing, at a time; 0: no limit.")
    ] = 1800.0
    stop_seconds: Annotated[
        float,
        Meta(ge=0, description="How long a stopping engine waits for its epoch; the next one repeats it."),
    ] = 60.0


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings that determine the results of a session: same settings, same bytes."""

    random_seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="The seed of every random draw.")] = 42
    max_epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="Maximum number of epochs.")] = 100
    convergence_threshold: Annotated[
        float, Meta(gt=0, lt=1, description="A smaller improvement of the best score does not count.")
    ] = 0.001
    patience: Annotated[
        int, Meta(ge=1, le=100_000, description="Number of epochs without improvement before a session ends.")
    ] = 10
    quality_threshold: Annotated[
        float,
        Meta(ge=0, le=1, description="Minimum mean quality score of the data for a session to converge."),
    ] = 0.95
    dataset_size: Annotated[
        int,
        Meta(ge=2, le=10_000_000, description="Rows drawn each epoch; a start says the fewest that its domain needs."),
    ] = 150
    training_split: Annotated[
        float, Meta(ge=0.5, le=0.95, description="Share of each draw's groups used for training; the rest validates.")
    ] = 0.8
    convergence_timeout_hours: Annotated[
        float, Meta(gt=0, le=8760, description="Time limit after which an unconverged session ends gracefully.")
    ] = 24.0
    models: Annotated[
        dict[Name, ModelSettings], Meta(description="The models to train, by name; empty: all models of the domain.")
    ] = {}
    quality_gates: QualityGates = QualityGates()
    ensemble: EnsembleSettings = EnsembleSettings()
    stress_testing: StressTestingSettings = StressTestingSettings()
    advanced: AdvancedSettings = AdvancedSettings()
    tuning: TuningSettings = TuningSettings()
    trainer: TrainerSettings = TrainerSettings()
    domain: Annotated[Name, Meta(description="The domain to train on, which draws its own data.")] = "bonds"
    domain_settings: Annotated[dict[str, Any], Meta(description="The settings of the domain.")] = {}
    datasets: DataSetSettings = DataSetSettings()
    experiment_name: Annotated[
        str,
        Meta(
            max_length=200,
            description="The experiment of the run; empty: the domain, or the name of a model trained on a file.",
        ),
    ] = ""
    held_out: HeldOutSettings = HeldOutSettings()
    attainment: AttainmentSettings = AttainmentSettings()
    explanation: ExplanationSettings = ExplanationSettings()
    executor: ExecutorSettings = ExecutorSettings()
    agents: AgentsSettings = AgentsSettings()
    only: Annotated[
        dict[Name, Name],
        Meta(description="Train and test on rows of one slice alone: a sector of bonds, a commodity of deals."),
    ] = {}


FEW_ROWS = 100  # about a dozen issuers: the scores of models then differ more by the draw than by the model


def cautions(settings: TrainingSettings) -> tuple[str, ...]:
    """List, a sentence each, the settings that are allowed but weaken what a session shows."""
    if settings.dataset_size >= FEW_ROWS:
        return ()
    return (
        f"dataset_size is {settings.dataset_size}: with fewer than {FEW_ROWS} rows an epoch, the scores depend more "
        "on the draw than on the models.",
    )
