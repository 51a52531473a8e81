"""The training of one process: the only one, or one of several that share the steps of a decoder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from core.errors import UsageError
from core.files import digest
from core.progress import begins
from core.settings.text_model import TextModelSettings
from core.text.judging import encoded
from core.text.language_model import n_predicted
from core.text.model_folder import CurvePoint, ModelFolder, TextModelManifest
from core.text.ngrams import NgramModel
from core.text.prepared import PreparedText, TextProgress, architecture_of, prepare_text, require_device
from core.text.ranks import MAX_RANKS, RankPlace


def train_at(
    settings: TextModelSettings, path: Path, place: RankPlace, report: Callable[[TextProgress], None]
) -> TextModelManifest:
    """Train as one of several processes, or as the only one; see `train_text_model`."""
    require_processes(settings, place.size)
    require_device(settings, place)
    prepared, folder = prepare_text(settings), ModelFolder(path)
    if not place.is_first:  # it holds the same weights, and writes nothing
        weights, curve = _decoder(prepared, folder, place, report)
        return msgspec.structs.replace(prepared.manifest, weights_sha256=digest(weights), curve=tuple(curve))
    with folder.filled(prepared.manifest, prepared.tokenizer):
        if prepared.manifest.architecture != "ngram":
            return folder.finish(prepared.manifest, *_decoder(prepared, folder, place, report))
        model, point = count_ngrams(prepared)
        return folder.finish(prepared.manifest, model.to_bytes(), [point])


def _decoder(
    prepared: PreparedText, folder: ModelFolder, place: RankPlace, report: Callable[[TextProgress], None]
) -> tuple[bytes, Sequence[CurvePoint]]:
    """Train a decoder; return its weights and evaluations."""
    from core.text.neural.training import train_decoder

    def told(progress: TextProgress) -> None:
        if place.is_first:
            folder.note_speed(progress.step, progress.tokens_per_second)
            report(progress)

    return train_decoder(prepared, folder.checkpoint, told, place)


def require_processes(settings: TextModelSettings, n_processes: int) -> None:
    """Require a training that several processes can share.

    Raises:
        UsageError: They cannot.
    """
    if n_processes == 1:
        return
    if architecture_of(settings) == "ngram":
        raise UsageError("n-grams are counted in one process; only a decoder is trained in several.")
    most = min(MAX_RANKS, settings.batch_size)
    if not 1 <= n_processes <= most:
        raise UsageError(
            f"{n_processes} processes cannot share steps of {settings.batch_size} documents (text_model.batch_size): "
            f"give 1 to {most}."
        )


def count_ngrams(prepared: PreparedText) -> tuple[NgramModel, CurvePoint]:
    """Train a model of n-grams, which takes one step; return it with its losses."""
    begins("counting n-grams")
    tokenizer, data = prepared.tokenizer, prepared.data
    seen, unseen = (encoded(tokenizer, part.documents) for part in (data.training, data.validation))
    model = NgramModel.trained(seen, tokenizer.n_tokens, prepared.manifest.settings.ngram_order)
    losses = [float(model.document_nats(each).sum()) / n_predicted(each) for each in (seen, unseen)]
    return model, CurvePoint(1, *losses)
