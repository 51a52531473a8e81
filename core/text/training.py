"""Training a model of language into a folder: n-grams are counted; a decoder goes on where it was killed."""

from collections.abc import Callable
from pathlib import Path

from core.errors import UsageError
from core.progress import begins
from core.settings.text_model import TextModelSettings
from core.text.comparing import TextComparison, compare_texts
from core.text.data import TextData, text_data
from core.text.judging import TextReport, judge_model
from core.text.model_folder import ModelFolder, TextModel, TextModelManifest
from core.text.prepared import TextProgress, located
from core.text.ranks import place_of_environment
from core.text.training_by_one import require_processes, train_at


def _ignore(progress: TextProgress) -> None:
    """Ignore an evaluation."""


def train_text_model(
    settings: TextModelSettings,
    path: Path,
    *,
    report: Callable[[TextProgress], None] = _ignore,
    processes: int = 1,
) -> TextModelManifest:
    """Train a model into a folder. Called again after a kill, it goes on, to the same bytes.

    A process that torchrun has started trains together with its others; the first alone writes and reports.

    Args:
        settings: What is trained, on what.
        path: A new folder, or that of an unfinished training of the same model.
        report: Is told every evaluation of a decoder.
        processes: How many processes on this machine train a decoder together.
    Raises:
        UsageError: The settings cannot be met, or the folder is a link.
        RefusedError: The folder is in a workspace, holds anything else, or another process trains into it.
        RankLostError: Another process of the training has ended; it can go on.
    """
    place = place_of_environment()
    if processes == 1:
        return train_at(settings, path, place, report)
    require_processes(settings, processes)
    if place.size > 1:
        raise UsageError("torchrun has started the processes; leave --processes out.")
    from core.text.rank_processes import train_in_processes

    return train_in_processes(located(settings), path, processes, report)


def judge_folder(path: Path, *, n_written: int = 200) -> TextReport:
    """Judge the model in a folder on documents that it has not seen; see `judge_model`.

    Raises:
        NotFoundError: It holds no model.
        RefusedError: Its training is not finished, or a file was changed.
        UsageError: The user's documents are not those that it learned from.
    """
    return judge_trained(*open_judged(path), n_written=n_written)


def judge_trained(opened: TextModel, data: TextData, *, n_written: int) -> TextReport:
    """Judge a model on documents that it has not seen; see `judge_model`."""
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


def compare_folders(path: Path, against: Path) -> TextComparison:
    """Compare the model in a folder with another one on what that one is judged by; see `compare_texts`.

    Raises:
        NotFoundError: A folder holds no model.
        RefusedError: A training is not finished, or a file was changed.
        UsageError: A user's documents are not those that a model learned from, or too few can be compared.
    """
    own, other = open_judged(path), open_judged(against)
    begins("comparing the models")
    return compare_texts(*own, *other)


def open_judged(path: Path) -> tuple[TextModel, TextData]:
    """Open the model in a folder, and draw or read its documents.

    Raises:
        NotFoundError: It holds no model.
        RefusedError: Its training is not finished, or a file was changed.
        UsageError: The documents have changed since.
    """
    opened = ModelFolder(path).load()
    begins("drawing documents")
    data = text_data(opened.manifest.settings)
    if data.sha256 != opened.manifest.corpus_sha256:
        raise UsageError(
            f"The documents of {path} are not those that the model learned from: "
            f"{opened.manifest.settings.corpus or 'the grammar'} has changed since."
        )
    return opened, data
