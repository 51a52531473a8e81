"""`main` and `ModelConfig`: a small model of language, trained on synthetic texts of energy trading, and judged.

    from bondx.ml.model_fine_tuning import main, register, ModelConfig

    report = main(ModelConfig(embedding_dim=64, max_steps=200), out="model")
    print(report.scores[0].excess, "nats a token above the floor")
    version = register("model", "prose")  # the next version of the model `prose`, with its gates

It needs the extra `text`; without it, `architecture="ngram"` trains a model of n-grams.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.api.arguments import checked
from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
    from core.api.config import MLOpsConfig
    from core.evidence import RecordedDraft
    from core.registry import ModelVersion
    from core.settings.text_model import TextModelSettings
    from core.text.comparing import TextComparison
    from core.text.judging import TextReport
    from core.text.prepared import TextProgress
    from core.text.shrinking import ShrunkModel
    from core.training.text_writing import VersionText


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A model of language. What is not here is as in the block `text_model` of the settings.

    Attributes:
        vocab_size: The largest vocabulary.
        embedding_dim: Width of the decoder.
        max_length: Longest document, in tokens.
        batch_size: Documents in a step.
        epochs: How often training sees each document at most.
        learning_rate: Peak learning rate.
        optimizer: "adamw", or "muon" for the matrices of the layers.
        hidden_dim: Width of the feed-forward layers.
        num_heads: Heads of attention.
        num_layers: Layers.
        max_steps: Most steps; 0: those of the epochs.
        documents: How many documents are drawn to learn from.
        corpus: A file of your own documents instead.
        architecture: "decoder", "ngram", or "auto": the decoder where it can be.
        seed: Same seed and values, same model.
        base: The folder of a decoder that is fine-tuned: ours, or a GPT-2 as safetensors. It says widths and tokenizer.
        lora_rank: Rank of the adapters that the base gets; 0: all its weights are tuned.
        lora_alpha: Scale of the adapters, times their rank.
        lora_targets: Layers that get adapters: "queries_keys_values", "output", "up", "down".
        teacher: The folder of a decoder that the model also learns from; its tokenizer is used.
        teacher_share: Share of the loss that is the distance from the teacher.
    """

    vocab_size: int = 10_000
    embedding_dim: int = 128
    max_length: int = 512
    batch_size: int = 32
    epochs: int = 10
    learning_rate: float = 0.001
    optimizer: str = "adamw"
    hidden_dim: int = 256
    num_heads: int = 8
    num_layers: int = 4
    max_steps: int = 0
    documents: int = 20_000
    corpus: str = ""
    architecture: str = "auto"
    seed: int = 42
    base: str = ""
    lora_rank: int = 0
    lora_alpha: float = 16.0
    lora_targets: tuple[str, ...] = ("queries_keys_values", "output")
    teacher: str = ""
    teacher_share: float = 0.5

    def settings(self) -> "TextModelSettings":
        """Return the settings of this model.

        Raises:
            UsageError: A value is not valid; the message names it.
        """
        import msgspec

        from core.field_problems import refusal_of
        from core.json_documents import converted
        from core.settings.text_model import TextModelSettings

        try:
            return converted(asdict(self), TextModelSettings)
        except msgspec.ValidationError as error:
            raise UsageError(f"{refusal_of(error, asdict(self))}.") from None


@checked
def main(
    config: ModelConfig | None = None,
    *,
    out: Path | str = "text-model",
    n_written: int = 100,
    on_progress: "Callable[[TextProgress], Any] | None" = None,
    processes: int = 1,
) -> "TextReport":
    """Train a model into a folder, and judge it.

    Args:
        config: The model; by default the one that the fields of `ModelConfig` say.
        out: A new folder, or that of a training that was killed, which goes on.
        n_written: How many documents the model writes to be judged.
        on_progress: Is called with every evaluation while a decoder trains.
        processes: How many processes on this machine train a decoder together.
    Returns:
        The judgement: nats a token above the floor, beside simple models, and what the model writes.
    Raises:
        UsageError: A value is not valid, or the decoder is asked for without the extra `text`.
        RefusedError: The folder is in a workspace, or holds anything else.
    """
    from core.text.training import judge_folder, train_text_model

    config = ModelConfig() if config is None else config
    if not isinstance(config, ModelConfig):
        raise UsageError(f"config is {shown(config)}; it must be a ModelConfig of bondx.ml.model_fine_tuning.")
    if on_progress is None:
        train_text_model(config.settings(), Path(out), processes=processes)
    else:
        train_text_model(config.settings(), Path(out), report=on_progress, processes=processes)
    return judge_folder(Path(out), n_written=n_written)


@checked
def register(
    folder: Path | str,
    model: str,
    *,
    config: "MLOpsConfig | None" = None,
    n_written: int = 200,
    description: str = "",
    reason: str = "",
) -> "ModelVersion":
    """Judge a trained model, and register it as the next version of a model, in Development, with its run.

    Args:
        folder: The folder of `main` or `bondx text train`.
        model: The name to register it under; the first version creates the model.
        config: The workspace and the settings; by default those that `MLOpsConfig.from_yaml()` finds.
        n_written: How many documents it writes to be judged.
        description: One line for people; by default what was trained.
        reason: Why, for the audit log.
    Returns:
        The version; its `gates` say whether it can be promoted.
    Raises:
        NotFoundError: The folder holds no model.
        RefusedError: Its training is not finished, or a file was changed.
        UsageError: A name is not valid, or the documents that it learned from have changed since.
    """
    from core.api.config import MLOpsConfig
    from core.settings.in_force import settings_in_force
    from core.training.text_models import register_text_model

    config = config or MLOpsConfig.from_yaml()
    made = register_text_model(
        config.workspace,
        Path(folder),
        model,
        settings_in_force(config.workspace.root),
        actor=config.actor,
        n_written=n_written,
        description=description,
        reason=reason,
    )
    return made.version


@checked
def write(
    model: str,
    prompt: str = "",
    *,
    version: str | None = None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_tokens: int = 256,
    seed: int = 42,
    config: "MLOpsConfig | None" = None,
) -> "VersionText":
    """Let a registered version write one document behind a prompt. The text is synthetic.

    Args:
        model: The model.
        prompt: How the document begins, in at most 8,000 characters.
        version: Its version; by default the live one, or else the newest.
        temperature: Below 1: likelier tokens more often; 0: always the likeliest.
        top_p: Draw from the likeliest tokens that have this probability together.
        max_tokens: Maximum number of new tokens.
        seed: Same seed, same text.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        The text with its prompt, and the version that wrote it.
    Raises:
        AccessRefusedError: No role of this account allows it to ask the model; the audit log has the refusal.
        NotFoundError: There is no such version, or it is no model of language.
        UsageError: A value is out of its range, or the prompt is too long.
    """
    from core.api.config import MLOpsConfig
    from core.text.sampling import sampling_options
    from core.training.text_writing import write_with_version

    config = config or MLOpsConfig.from_yaml()
    options = sampling_options(temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed)
    return write_with_version(config.workspace, model, version, prompt, options, actor=config.actor)


@checked
def draft(
    reports: Path | str,
    *,
    book: str | None = None,
    date: str | None = None,
    by: str | None = None,
    version: str | None = None,
    seed: int = 42,
    reason: str = "",
    config: "MLOpsConfig | None" = None,
) -> "RecordedDraft":
    """Draft the narrative of a row of risk reports, trace its numbers to their cells, and keep it for evidence packs.

    Args:
        reports: A file with the columns of `risk_reports.csv`.
        book: Of the row; by default the only book.
        date: Of the row, such as "2024-03-28"; by default the last day of the book.
        by: A registered model of language that writes it; by default the program words it from the cells.
        version: Its version; by default the live one, or else the newest.
        seed: Of `by`: same seed, same text.
        reason: Why, for the audit log.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        The draft; `drafts=[draft.draft_id]` of `EvidencePacks` puts it into a pack.
    Raises:
        AccessRefusedError: No role of this account allows it; the audit log has the refusal.
        NotFoundError: There is no such row or version.
        TableError: The file cannot be used.
        UsageError: Several rows fit.
    """
    from core.api.config import MLOpsConfig
    from core.domains.etrm.drafting.risk_notes import beginning_of_note, checked_risk_note, draft_risk_note
    from core.domains.narrative import QuotedCells
    from core.evidence import NarrativeDrafts

    config, path = config or MLOpsConfig.from_yaml(), Path(reports)
    quoting = QuotedCells.in_force(config.workspace.root)
    if by is None:
        note = draft_risk_note(path, book=book, date=date, quoting=quoting)
        return NarrativeDrafts(config.workspace).record(note, actor=config.actor, is_worded_here=True, reason=reason)
    beginning = beginning_of_note(path, book=book, date=date, quoting=quoting)
    written = write(by, beginning, version=version, seed=seed, config=config)
    note = checked_risk_note(written.text, path, book=book, date=date, quoting=quoting)
    return NarrativeDrafts(config.workspace).record(note, actor=config.actor, written=written, reason=reason)


@checked
def compare(model: Path | str, against: Path | str) -> "TextComparison":
    """Compare a model with another one, such as its base, on documents that the other one is judged by.

    Args:
        model: The folder of a trained model.
        against: The folder of the other one.
    Returns:
        Both losses in bits a character; the difference, with its 95 % interval, says what the model has forgotten.
    Raises:
        NotFoundError: A folder holds no model.
        RefusedError: A training is not finished, or a file was changed.
        UsageError: Documents have changed since, or fewer than ten can be compared.
    """
    from core.text.training import compare_folders

    return compare_folders(Path(model), Path(against))


@checked
def shrink(model: Path | str, out: Path | str, *, int8: bool = False, hidden_units: int | None = None) -> "ShrunkModel":
    """Make a smaller model of a trained decoder, and weigh both on the documents that judge it.

    Args:
        model: The folder of a trained decoder; it stays as it is.
        out: A new folder.
        int8: Round the linear layers to eight bits. Such a model cannot be trained any further.
        hidden_units: How many units of each feed-forward layer are kept; None: all. Such a model can be fine-tuned.
    Returns:
        What it costs, in nats a token, with its 95 % interval.
    Raises:
        NotFoundError: There is no model.
        UsageError: It is a model of n-grams, or of eight bits already; or nothing would be smaller.
        RefusedError: A file was changed, or the new folder holds anything else.
    """
    from core.text.shrinking import shrink_folder

    return shrink_folder(Path(model), Path(out), int8=int8, hidden_units=hidden_units)
