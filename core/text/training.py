"""Training a model of language into a folder: n-grams are counted; a decoder goes on where it was killed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.errors import UsageError
from core.files import digest
from core.progress import begins
from core.settings.text_model import TextModelSettings
from core.text.data import TextData, text_data
from core.text.judging import TextReport, encoded, floor_of, judge_model
from core.text.language_model import n_predicted
from core.text.model_folder import CurvePoint, ModelFolder, TextModelManifest
from core.text.ngrams import NgramModel
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
        seconds_left: At this speed, if training does not end early.
        is_best: Whether no evaluation before was better.
    """

    step: int
    n_steps: int
    training_nats: float
    validation_nats: float
    excess: float | None
    tokens_per_second: float
    seconds_left: float
    is_best: bool


def _ignore(progress: TextProgress) -> None:
    """Ignore an evaluation."""


@dataclass(frozen=True, slots=True)
class PreparedText:
    """Everything that a training needs.

    Attributes:
        manifest: What it will make.
        data: The documents.
        tokenizer: Trained on the training documents.
    """

    manifest: TextModelManifest
    data: TextData
    tokenizer: Tokenizer


def architecture_of(settings: TextModelSettings) -> str:
    """Return what is trained: the decoder where it can be, unless the settings choose.

    Raises:
        MissingTorchError: The settings choose the decoder, and the extra is not installed.
    """
    if settings.architecture == "decoder":
        require_torch()
    if settings.architecture == "auto":
        return "decoder" if has_torch() else "ngram"
    return settings.architecture


def prepare_text(settings: TextModelSettings) -> PreparedText:
    """Draw or read the documents, and train the tokenizer.

    Raises:
        UsageError: The settings cannot be met.
        FileAccessError: The user's documents cannot be read.
    """
    architecture = architecture_of(settings)
    begins("drawing documents")
    data = text_data(settings)
    begins("training the tokenizer")
    tokenizer = train_tokenizer(settings.tokenizer, data.training.documents, settings.vocab_size)
    manifest = TextModelManifest(
        architecture=architecture,
        settings=settings,
        corpus_sha256=data.sha256,
        tokenizer_sha256=digest(spell_tokenizer(tokenizer)),
        floor_nats=floor_of(data.validation, encoded(tokenizer, data.validation.documents)),
    )
    return PreparedText(manifest, data, tokenizer)


def train_text_model(
    settings: TextModelSettings, path: Path, *, report: Callable[[TextProgress], None] = _ignore
) -> TextModelManifest:
    """Train a model into a folder. Called again after a kill, it goes on, to the same bytes.

    Args:
        settings: What is trained, on what.
        path: A new folder, or that of an unfinished training of the same model.
        report: Is told every evaluation of a decoder.
    Raises:
        UsageError: The settings cannot be met, or the folder is a link.
        RefusedError: The folder is in a workspace, or holds anything else.
    """
    prepared, folder = prepare_text(settings), ModelFolder(path)
    folder.begin(prepared.manifest, prepared.tokenizer)
    if prepared.manifest.architecture == "decoder":
        from core.text.neural.training import train_decoder

        weights, curve = train_decoder(prepared, folder.checkpoint, report)
        return folder.finish(prepared.manifest, weights, curve)
    begins("counting n-grams")
    tokenizer, data = prepared.tokenizer, prepared.data
    model = NgramModel.trained(encoded(tokenizer, data.training.documents), tokenizer.n_tokens, settings.ngram_order)
    seen, unseen = (encoded(tokenizer, part.documents) for part in (data.training, data.validation))
    losses = [float(model.document_nats(each).sum()) / n_predicted(each) for each in (seen, unseen)]
    return folder.finish(prepared.manifest, model.to_bytes(), [CurvePoint(1, *losses)])


def judge_folder(path: Path, *, n_written: int = 200) -> TextReport:
    """Judge the model in a folder on documents that it has not seen; see `judge_model`.

    Raises:
        NotFoundError: It holds no model.
        RefusedError: Its training is not finished, or a file was changed.
        UsageError: The user's documents are not those that it learned from.
    """
    opened = ModelFolder(path).load()
    begins("drawing documents")
    data = text_data(opened.manifest.settings)
    if data.sha256 != opened.manifest.corpus_sha256:
        raise UsageError(
            f"The documents of {path} are not those that the model learned from: "
            f"{opened.manifest.settings.corpus or 'the grammar'} has changed since."
        )
    begins("judging the model")
    return judge_model(
        opened.model,
        opened.tokenizer,
        training=data.training,
        judged=data.judged,
        held_out=data.held_out,
        grammar=data.grammar,
        n_written=n_written,
        seed=opened.manifest.settings.seed,
    )
