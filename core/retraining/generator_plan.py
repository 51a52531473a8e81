"""How a model of a domain that draws its own data is trained anew: the live version's recipe, and fresh draws.

A session's random seed determines two things: the world that all of its panels have in common (the macro path of bonds,
the price path of deals), and the draws from it. A retraining draws anew from the world of the settings in force: new
groups on the present path, or on another path where `random_seed` or `domain_settings` have changed since.
"""

import math
from pathlib import Path
from typing import Any

import msgspec

from core.errors import NotFoundError
from core.files import write_file
from core.json_documents import converted, decode_json
from core.plain_files import read_file
from core.registry import ModelVersion
from core.retraining.document import Retraining
from core.retraining.errors import NotPassedError
from core.seeds import derive_seed
from core.settings import ModelSettings, Settings, TrainingSettings
from core.settings.datasets import DataSetSettings
from core.settings.training import StressTestingSettings
from core.state import Workspace
from core.training.session import as_document
from core.training.sessions import Sessions
from core.training.specialism import registered_name

PLAN_FILE = "generator.json"
RECIPE = "recipe"  # its key in the lineage of a version
WORLD_SEED = "world_seed"
MOST_ROWS = 50_000
"""Rows to learn from, at most; a session refits on as many."""


class GeneratorPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one retraining draws and trains; a change of the settings meanwhile does not touch it.

    Attributes:
        settings: Of the training, as a session's document.
        world_seed: What the panels have in common.
        n_draws: Draws of the first epochs, which are checked together.
    """

    settings: dict[str, Any]
    world_seed: int
    n_draws: int

    @property
    def training(self) -> TrainingSettings:
        """The settings as a typed model."""
        return converted(self.settings, TrainingSettings)

    def write(self, folder: Path) -> None:
        """Keep the plan in the folder of the retraining."""
        write_file(folder / PLAN_FILE, msgspec.json.encode(self, order="deterministic"))

    @classmethod
    def read(cls, folder: Path) -> "GeneratorPlan":
        """Read the plan that the first step kept.

        Raises:
            OSError, msgspec.DecodeError: It is not there, or damaged.
        """
        return decode_json(read_file(folder / PLAN_FILE), type=cls)


def plan_draws(workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings) -> GeneratorPlan:
    """Plan the draws of a retraining; the same retraining under the same settings gives the same plan.

    Args:
        workspace: The workspace.
        retraining: The retraining.
        live: The live version.
        settings: The settings in force: the world, the quality gates, the threads.
    Raises:
        NotPassedError: No session trained the live version.
    """
    recipe = recipe_of(workspace, live)
    own = next((name for name in recipe.models if registered_name(name, recipe.only) == live.model), live.model)
    world = settings.domain_settings if settings.domain == recipe.domain else recipe.domain_settings
    training = msgspec.structs.replace(
        recipe,
        random_seed=derive_seed(settings.random_seed, f"retraining {retraining.retraining_id}"),
        advanced=retraining.policy.tuned(recipe.advanced),
        models={own: recipe.models.get(own, ModelSettings())},
        domain_settings=world,
        quality_gates=settings.quality_gates,
        trainer=settings.trainer,
        datasets=DataSetSettings(keep="none"),
        stress_testing=StressTestingSettings(),
        held_out=settings.held_out,
        explanation=settings.explanation,
    )
    learned = live.lineage.get("data", {}).get("draws", {}).get("n_rows", 0)
    policy = retraining.policy
    n_rows = min(policy.window.rows, MOST_ROWS, max(policy.min_samples, int(learned)))
    return GeneratorPlan(
        settings=as_document(training),
        world_seed=settings.random_seed,
        n_draws=min(max(math.ceil(n_rows / training.dataset_size), 1), training.max_epochs),
    )


def recipe_of(workspace: Workspace, live: ModelVersion) -> TrainingSettings:
    """Find the settings with which a version was trained: in its lineage, else in its session.

    Raises:
        NotPassedError: Neither has them.
    """
    recorded = live.lineage.get(RECIPE)
    if isinstance(recorded, dict):
        return converted(recorded, TrainingSettings)
    if live.session_id:
        try:
            return Sessions(workspace).get(live.session_id).training
        except NotFoundError:
            raise NotPassedError(
                f"{live.key} was trained by {live.session_id}, which this workspace no longer has", {}
            ) from None
    raise NotPassedError(
        f"{live.key} was not trained by a session, so no generator draws its rows: set another retraining.source", {}
    )
