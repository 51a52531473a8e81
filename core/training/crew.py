"""The models of a session, worked on side by side: one thread a model, one core a thread."""

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from core import models
from core.models import Model, Panel
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

    def learn(self, panel: Panel, *, seed: int, judged_on: Mapping[str, Panel]) -> dict[str, Figures]:
        """Have every model learn from a panel, then judge it on others.

        Args:
            panel: What to learn from.
            seed: For every model's own random draws.
            judged_on: Panels nobody has learnt from, by name.
        Returns:
            For each panel, `<model>.<metric>`; what could not be measured is left out.
        """

        def work(model: Model) -> dict[str, Figures]:
            model.update(panel, seed=seed)
            return {name: model.evaluate(other) for name, other in judged_on.items()}

        by_model = self.side_by_side(work)
        self.has_learned = True
        return {
            name: {
                f"{model}.{metric}": value
                for model, figures in by_model.items()
                for metric, value in figures[name].items()
                if math.isfinite(value)
            }
            for name in judged_on
        }

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
