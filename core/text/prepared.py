"""What a training of a model of language needs, and what it tells while it runs."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.errors import UsageError
from core.files import digest
from core.home_paths import at_home
from core.progress import begins
from core.settings.text_model import TextModelSettings
from core.text.corpus import require_corpus
from core.text.data import TextData, text_data
from core.text.judging import encoded, floor_of
from core.text.model_folder import TextBase, TextModelManifest, architecture_of_base, open_base
from core.text.ranks import RankPlace
from core.text.tokenizers import Tokenizer, spell_tokenizer, train_tokenizer
from core.text.torch_extra import has_torch, require_torch


class TextProgress(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation of a decoder while it trains.

    Attributes:
        step: The steps so far.
        n_steps: The most steps there will be.
        training_nats: Mean loss a token of the steps since the evaluation before.
        validation_nats: Mean loss a token of the validation documents.
        excess: The same above the floor; None where nobody knows it.
        tokens_per_second: Since this process began.
        seconds_left: At this speed, if training does not end early; None before the first step.
        is_best: Whether no evaluation before was better.
    """

    step: int
    n_steps: int
    training_nats: float
    validation_nats: float
    excess: float | None
    tokens_per_second: float
    seconds_left: float | None
    is_best: bool


@dataclass(frozen=True, slots=True)
class PreparedText:
    """Everything that a training needs.

    Attributes:
        manifest: What it will make.
        data: The documents.
        tokenizer: Trained on the training documents, or that of the base.
        base: The decoder that is fine-tuned; None: a new one is trained.
        teacher: The decoder that it also learns from; None: there is none.
    """

    manifest: TextModelManifest
    data: TextData
    tokenizer: Tokenizer
    base: TextBase | None = None
    teacher: TextBase | None = None

    @property
    def max_length(self) -> int:
        """Longest document of the model, in tokens."""
        return self.manifest.settings.max_length if self.base is None else self.base.model.decoder.max_length


def architecture_of(settings: TextModelSettings) -> str:
    """Return what is trained: the decoder where it can be, unless the settings choose.

    Raises:
        MissingTorchError: The settings choose the decoder, and the extra is not installed.
    """
    if settings.architecture == "decoder" or settings.base or settings.teacher:
        require_torch()
    if settings.base:
        return architecture_of_base(at_home(settings.base))
    if settings.teacher:
        return "decoder"
    if settings.architecture == "auto":
        return "decoder" if has_torch() else "ngram"
    return settings.architecture


def require_named_files(settings: TextModelSettings) -> None:
    """Require that the corpus, the base and the teacher of settings are there, without reading more than their heads.

    Raises:
        UsageError: One of them is missing, cannot be opened, or cannot be what it is named as.
    """
    if settings.corpus:
        require_corpus(at_home(settings.corpus))
    if settings.base:
        architecture_of_base(at_home(settings.base))
    if settings.teacher:
        architecture_of_base(at_home(settings.teacher), "teacher")


def require_device(settings: TextModelSettings, place: RankPlace) -> None:
    """Require what a decoder is trained on, before documents are drawn for it; n-grams need nothing.

    Raises:
        UsageError: The settings ask for a GPU that is not there, or choose what cannot be trained.
    """
    if architecture_of(settings) == "ngram":
        return
    from core.text.neural.devices import training_device

    training_device(settings, place)


def prepare_text(settings: TextModelSettings) -> PreparedText:
    """Draw or read the documents, and train the tokenizer or open the base.

    Raises:
        UsageError: The settings cannot be met.
        FileAccessError: The disk fails while the user's documents are read.
    """
    settings = located(settings)
    architecture = architecture_of(settings)
    begins("drawing documents")
    data = text_data(settings)
    base = teacher = None
    if settings.teacher:
        begins("opening the teacher")
        teacher = open_base(Path(settings.teacher), role="teacher")
        settings, tokenizer = teacher.spelling(settings), teacher.tokenizer
    if settings.base:
        begins("opening the base")
        base = open_base(Path(settings.base))
        if base.precision == "int8":
            raise UsageError(f"{settings.base}, the base, is rounded to eight bits; tune the model it was made of.")
        settings, tokenizer = base.shaped(settings), base.tokenizer
    elif teacher is None:
        begins("training the tokenizer")
        tokenizer = train_tokenizer(settings.tokenizer, data.training.documents, settings.vocab_size)
    manifest = TextModelManifest(
        architecture=architecture,
        settings=settings,
        corpus_sha256=data.sha256,
        tokenizer_sha256=digest(spell_tokenizer(tokenizer)),
        floor_nats=floor_of(data.validation, encoded(tokenizer, data.validation.documents)),
        base_sha256="" if base is None else base.sha256,
        gpt2=None if base is None else base.shape,
        teacher_sha256="" if teacher is None else teacher.sha256,
    )
    prepared = PreparedText(manifest, data, tokenizer, base, teacher)
    _require_teachable(prepared)
    return prepared


def _require_teachable(prepared: PreparedText) -> None:
    """Require a teacher that knows the tokens and the longest document of the model."""
    teacher, where = prepared.teacher, prepared.manifest.settings.teacher
    if teacher is None:
        return
    if spell_tokenizer(teacher.tokenizer) != spell_tokenizer(prepared.tokenizer):
        raise UsageError(
            f"{where}, the teacher, has another tokenizer than {prepared.manifest.settings.base}, the base."
        )
    longest = teacher.model.decoder.max_length
    if prepared.max_length > longest:
        raise UsageError(
            f"max_length ({prepared.max_length}) must be at most {longest}, the longest document of {where}, the "
            "teacher."
        )


def located(settings: TextModelSettings) -> TextModelSettings:
    """Return settings that name the same files from every working folder."""
    found = {name: getattr(settings, name) for name in ("base", "corpus", "teacher")}
    return msgspec.structs.replace(
        settings, **{name: str(at_home(given).absolute()) for name, given in found.items() if given}
    )
