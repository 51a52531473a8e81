"""What a session trains where it trains a model of language. Light."""

from pathlib import Path
from typing import Any

import msgspec

from core.json_documents import converted
from core.settings import ModelSettings, TrainingSettings
from core.settings.quality import QualityGates
from core.settings.text_model import TextModelSettings

FILES = ("corpus", "base", "teacher")
"""The settings of a model of language that name files."""
N_WRITTEN = 200
"""How many documents a model writes to be judged."""


class TextTraining(msgspec.Struct, frozen=True, kw_only=True):
    """The model of language of a session.

    Attributes:
        model: The name under which it is registered.
        settings: The block `text_model`, with the architecture that is trained and with whole paths.
        n_written: How many documents it writes to be judged.
    """

    model: str
    settings: dict[str, Any]
    n_written: int = N_WRITTEN

    @property
    def text_model(self) -> TextModelSettings:
        """The settings as a typed model."""
        return converted(self.settings, TextModelSettings)

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides the training, without folders of this machine."""
        return {"model": self.model, **without_folders(self.settings)}


class TextEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """How far the training of a model of language is, and what the model writes by now.

    Attributes:
        step: The steps so far.
        n_steps: The most steps there will be.
        n_worse: The evaluations since the best one.
        samples: Documents that it wrote, with the same seed after every evaluation.
    """

    step: int
    n_steps: int
    n_worse: int
    samples: tuple[str, ...]


def without_folders(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a model of language with the names of its files alone."""
    return settings | {name: Path(settings[name]).name for name in FILES if settings[name]}


def settings_for_text(settings: TrainingSettings, text: TextTraining) -> TrainingSettings:
    """Return the training settings that count for a model of language."""
    text_model = text.text_model
    return TrainingSettings(
        random_seed=text_model.seed,
        convergence_timeout_hours=settings.convergence_timeout_hours,
        models={text.model: ModelSettings(algorithm=text_model.architecture)},
        quality_gates=QualityGates(limits=settings.quality_gates.limits),
        trainer=settings.trainer,
        domain=text_model.domain,
        experiment_name=settings.experiment_name or text.model,
    )


def text_training(model: str, settings: TextModelSettings, *, n_written: int = N_WRITTEN) -> TextTraining:
    """Check what a session is to train.

    Args:
        model: The name to register it under.
        settings: The block `text_model`.
        n_written: How many documents it writes to be judged.
    Raises:
        InvalidNameError: The model's name is not a valid name.
        UsageError: The base cannot be tuned, the corpus cannot be opened, or the domain has no grammar.
        NotFoundError: There is no base, or no teacher.
        MissingTorchError: A decoder is asked for, and torch is not installed.
    """
    from core.registry.numbering import checked_model_name
    from core.text.corpus import text_grammar
    from core.text.prepared import architecture_of, located, require_named_files

    checked_model_name(model)
    settings = located(settings)
    if not settings.corpus:
        text_grammar(settings.domain)
    architecture = "ngram" if architecture_of(settings) == "ngram" else "decoder"
    require_named_files(settings)
    settings = msgspec.structs.replace(settings, architecture=architecture)
    return TextTraining(model=model, settings=msgspec.json.decode(msgspec.json.encode(settings)), n_written=n_written)
