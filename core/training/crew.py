"""The models of a session, worked on side by side: one thread a model, one core a thread."""

import copy
import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from core import models
from core.models import Model, PanelLike
from core.settings import TrainingSettings

T = TypeVar("T")
Figures = dict[str, float]


class Crew:
    """All models of a session.

    Models share nothing, and each is deterministic with its seed, so that the number of threads cannot change a byte.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        """Make models that know nothing yet.

        Raises:
            UnknownModelError: A name is neither built in nor installed.
            UnknownAlgorithmError: A model cannot be trained the way the settings say.
        """
        self._models: dict[str, Model] = {
            name: models.create(name, algorithm=entry.algorithm, settings=entry.parameters)
            for name, entry in settings.models.items()
        }
        n_threads = settings.trainer.n_threads or os.cpu_count() or 1
        self._n_threads = min(n_threads, len(self._models))
        self.has_learned = False

    def learn(self, panel: PanelLike, *, seed: int) -> None:
        """Have every model learn from a panel, on top of what it knows."""
        models.update_all(self._models, panel, seed, self._n_threads)
        self.has_learned = True

    def judge(self, panels: Mapping[str, PanelLike]) -> dict[str, Figures]:
        """Judge every model on panels it has not learnt from.

        Args:
            panels: By name.
        Returns:
            For each panel, `<model>.<metric>`; what could not be measured is left out.
        """
        by_model = self.side_by_side(lambda model: {name: model.evaluate(panel) for name, panel in panels.items()})
        return {
            name: {
                f"{model}.{metric}": value
                for model, figures in by_model.items()
                for metric, value in figures[name].items()
                if math.isfinite(value)
            }
            for name in panels
        }

    def exchange(self, newcomers: Mapping[str, Model]) -> "Crew":
        """Return the crew with some models in the place of those of the same name."""
        crew = copy.copy(self)
        crew._models = {**self._models, **newcomers}
        return crew

    def models(self) -> list[tuple[str, Model]]:
        """Return the models by name, in the order of the settings."""
        return list(self._models.items())

    def save(self, folder: Path) -> None:
        """Write each model that has learnt into a folder of its name."""
        if self.has_learned:
            for name, model in self._models.items():
                model.save(folder / name)

    def load(self, folder: Path) -> None:
        """Take the models up where `save` left them; where it left nothing, they still know nothing.

        Raises:
            ArtifactError: A model cannot be read.
        """
        if folder.is_dir():
            self._models = {name: type(model).load(folder / name) for name, model in self._models.items()}
            self.has_learned = True

    def side_by_side(self, work: Callable[[Model], T]) -> dict[str, T]:
        """Do the same with every model at once.

        Returns:
            Each model's result, in the order of the settings.
        """
        with ThreadPoolExecutor(self._n_threads, thread_name_prefix="model") as threads:
            return dict(zip(self._models, threads.map(work, self._models.values()), strict=True))
