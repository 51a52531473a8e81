"""A session's model of language, and what an epoch does with it: the steps up to the next evaluation.

Every result here is a function of the settings, the epoch number and the checkpoint before it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from core.domains.report_section import ReportSection
from core.errors import RefusedError
from core.files import digest, make_folder, sha256_of, write_file, write_folder
from core.json_documents import decode_json
from core.own_cgroup import usable_processors
from core.plain_files import read_file
from core.progress import begins
from core.settings import TrainingSettings
from core.text.judging import ORDERS, TextReport, encoded, score
from core.text.language_model import LanguageModel
from core.text.model_folder import CurvePoint, TextModel, TextModelManifest, open_trained
from core.text.ngrams import NgramModel
from core.text.prepared import PreparedText, TextProgress, prepare_text, require_device
from core.text.ranks import ALONE
from core.text.sampling import SamplingOptions, write_text
from core.text.training import judge_trained
from core.text.training_by_one import count_ngrams
from core.training.checkpoint import Checkpoint, Checkpoints, prepared_after, to_json
from core.training.final_record_file import FINAL_FOLDER
from core.training.records import DrawRecord, EpochRecord, FinalModel, FinalRecord, SessionModelFacts
from core.training.scores import EpochScores, merit
from core.training.stopwatch import Stopwatch
from core.training.text_models import write_text_artifact
from core.training.text_training import TextEpoch, TextTraining
from core.training.wire import EpochDone, Finished, Prepared

if TYPE_CHECKING:
    from core.text.neural.training import DecoderTraining

KEPT_CHECKPOINTS = 2  # the newest, and its predecessor in case the newest is damaged; each holds the best weights, too
MANIFEST, STATE = "model.json", "state"
DOCUMENTS = "documents"
"""What its draw is called: it learns from the same documents in every epoch."""
N_SAMPLES, MAX_SAMPLE_TOKENS = 2, 80


class _Learner(Protocol):
    """A model while it is trained, from one evaluation to the next."""

    @property
    def n_evaluations(self) -> int:
        """The most there will be."""

    @property
    def n_worse(self) -> int:
        """The evaluations since the best one."""

    @property
    def curve(self) -> Sequence[CurvePoint]:
        """The evaluations so far."""

    def advance(self) -> TextProgress:
        """Train up to the next evaluation."""

    def model(self) -> LanguageModel:
        """Return the model as it is now."""

    def weights(self) -> bytes:
        """Return the weights with the least validation loss."""

    def save(self, file: Path) -> None:
        """Write everything that the next step needs."""

    def resume(self, file: Path) -> None:
        """Stand where a file was written."""


class TextSessionWork:
    """A session of a model of language, resumed at its newest checkpoint."""

    def __init__(self, settings: TrainingSettings, text: TextTraining, folder: Path) -> None:
        """Draw or read the documents, and load or create the model.

        Args:
            settings: The session's settings.
            text: What it trains.
            folder: The folder of its checkpoints.
        Raises:
            UsageError: The settings cannot be met.
            RefusedError: The documents or the base have changed since the checkpoint.
        """
        begins("the preparation")
        self._limits = settings.quality_gates.limits
        self._text, self._folder = text, folder
        require_device(text.text_model, ALONE)
        self._prepared = prepared = prepare_text(text.text_model)
        self._checkpoints = Checkpoints(folder)
        self._newest, self._damaged = self._checkpoints.newest()
        is_counted = prepared.manifest.architecture == "ngram"
        self._learner: _Learner = (
            _Ngrams(prepared) if is_counted else _decoder(prepared, n_threads=settings.trainer.n_threads)
        )
        if self._newest is not None:
            self._require_same(self._newest.models / MANIFEST)
            self._learner.resume(self._newest.models / STATE)
        self._ngram_nats = _ngram_nats(prepared)

    def where_it_stands(self) -> Prepared:
        """Say after which epoch the session continues."""
        return msgspec.structs.replace(
            prepared_after(self._newest, self._damaged),
            n_epochs=self._learner.n_evaluations,
        )

    def run_epoch(self, number: int) -> EpochDone:
        """Train up to the next evaluation, write samples, and save a checkpoint.

        Raises:
            ValueError: The epoch is not the next one.
            UsageError: The loss is no number any more.
        """
        history = self._newest.history if self._newest else EpochScores()
        if number != len(history) + 1:
            raise ValueError(f"epoch {number} was requested, but epoch {len(history) + 1} is next")
        watch = Stopwatch()
        progress = self._learner.advance()
        watch.lap("learn")
        record = self._record(number, progress, self._samples())
        watch.lap("samples")
        begins("the checkpoint")
        self._newest = self._keep(record, history.then(record.as_score))
        watch.lap("checkpoint")
        per_second = progress.tokens_per_second
        rates = {f"{self._text.model}.tokens_per_second": per_second} if per_second else {}
        return EpochDone(
            record=record,
            checkpoint=str(self._newest.folder),
            checkpoint_sha256=self._newest.sha256,
            stage_seconds=watch.seconds,
            fit_seconds={self._text.model: watch.seconds["learn"]},
            rates=rates,
        )

    def finish(self) -> Finished:
        """Judge the best weights on documents that they have not seen, and save them for registration."""
        newest = self._newest
        if newest is None:
            raise ValueError("the end was requested, but no epoch has ended")
        prepared, watch, model = self._prepared, Stopwatch(), self._text.model
        weights = self._learner.weights()
        manifest = msgspec.structs.replace(
            prepared.manifest, weights_sha256=digest(weights), curve=tuple(self._learner.curve)
        )
        place = self._folder / FINAL_FOLDER
        opened = TextModel(manifest, prepared.tokenizer, open_trained(manifest, prepared.tokenizer, weights, place))
        report = judge_trained(opened, prepared.data, n_written=self._text.n_written)
        begins("the files of the version")
        facts: SessionModelFacts | None = None

        def fill(folder: Path) -> None:
            nonlocal facts
            make_folder(folder / model)
            facts = write_text_artifact(opened, prepared.data, report, folder / model, self._limits)

        write_folder(place, fill)
        assert facts is not None
        watch.lap("judge")
        return Finished(
            record=self._final(newest, facts, report), fit_seconds={model: watch.seconds["judge"]}, text=facts
        )

    def _require_same(self, file: Path) -> None:
        """Check that a checkpoint is of the documents, and of the base, that are there now."""
        found = decode_json(read_file(file), TextModelManifest)
        if found != self._prepared.manifest:
            now = self._prepared.manifest
            changed = now.settings.corpus
            if found.base_sha256 != now.base_sha256:
                changed = now.settings.base
            elif found.teacher_sha256 != now.teacher_sha256:
                changed = now.settings.teacher
            since = "has changed since the last checkpoint of this session: start a new session."
            raise RefusedError(f"{changed or 'The grammar'} {since}")

    def _record(self, number: int, progress: TextProgress, samples: tuple[str, ...]) -> EpochRecord:
        model, floor = self._text.model, self._prepared.manifest.floor_nats
        nats = progress.validation_nats
        metrics = {
            f"{model}.loss": nats,
            f"{model}.training_loss": progress.training_nats,
            f"{model}.perplexity": float(np.exp(min(nats, 700.0))),
        }
        if floor is not None:
            metrics |= {f"{model}.floor": floor, f"{model}.above_floor": nats - floor}
            if self._ngram_nats > floor:
                metrics[f"{model}.attainment"] = (self._ngram_nats - nats) / (self._ngram_nats - floor)
        return EpochRecord(
            epoch=number,
            learned=True,
            draw=self._draw,
            n_learned_rows=len(self._prepared.data.training.documents),
            n_holdout_rows=len(self._prepared.data.validation.documents),
            gates=(),
            quality_score=1.0,
            score=merit(metrics, model),
            metrics=metrics,
            holdout={},
            text=TextEpoch(
                step=progress.step, n_steps=progress.n_steps, n_worse=self._learner.n_worse, samples=samples
            ),
        )

    @property
    def _draw(self) -> DrawRecord:
        manifest, n = self._prepared.manifest, len(self._prepared.data.training.documents)
        return DrawRecord(
            purpose=DOCUMENTS, seed=manifest.settings.seed, n_rows=n, n_groups=n, sha256=manifest.corpus_sha256
        )

    def _samples(self) -> tuple[str, ...]:
        """Let the model write, always from the same draws, so that its documents can be compared."""
        begins("samples")
        options = SamplingOptions(seed=self._prepared.manifest.settings.seed, max_tokens=MAX_SAMPLE_TOKENS)
        model, tokenizer = self._learner.model(), self._prepared.tokenizer
        return tuple(write_text(model, tokenizer, options, number=number).text for number in range(N_SAMPLES))

    def _keep(self, record: EpochRecord, history: EpochScores) -> Checkpoint:
        manifest = self._prepared.manifest

        def save(folder: Path) -> None:
            make_folder(folder)
            write_file(folder / MANIFEST, to_json(manifest), durable=False)
            self._learner.save(folder / STATE)

        kept = self._checkpoints.write(record, history, save)
        self._checkpoints.keep_only(range(record.epoch, record.epoch - KEPT_CHECKPOINTS, -1))
        return kept

    def _final(self, newest: Checkpoint, facts: SessionModelFacts, report: TextReport) -> FinalRecord:
        model = self._text.model
        folder = self._folder / FINAL_FOLDER / model
        judged = {f"{model}.{name}": value for name, value in facts.metrics.items()}
        judged[f"{model}.loss"] = facts.metrics["nats_a_token"]
        return FinalRecord(
            epoch=newest.epoch,
            best_epoch=newest.history.best_epoch or newest.epoch,
            score=merit(judged, model),
            draws=(self._draw,),
            models=(
                FinalModel(
                    name=model,
                    folder=f"{FINAL_FOLDER}/{model}",
                    files={file.name: sha256_of(file) for file in sorted(folder.iterdir())},
                    chosen=self._prepared.manifest.architecture,
                    way="best",
                    metrics=facts.metrics,
                    importance={},
                    report={},
                ),
            ),
            sections=(judgement_section(report),),
        )


def judgement_section(report: TextReport) -> ReportSection:
    """Draw a judgement as a table: the model first, then the simple ones."""
    floor = "" if report.floor_nats is None else f" The floor is {report.floor_nats:.4f} nats a token."
    return ReportSection(
        title="Judgement",
        about=f"On {report.n_documents:,} documents that no model has seen.{floor}",
        columns=("model", "nats a token", "above the floor", "perplexity"),
        rows=tuple(
            (
                name,
                f"{each.nats_a_token:.4f}",
                "–" if each.excess is None else f"{each.excess:.4f}",
                f"{each.perplexity:.3f}",
            )
            for name, each in zip(report.names, report.scores, strict=True)
        ),
    )


def _ngram_nats(prepared: PreparedText) -> float:
    """Return the validation loss of the 5-gram, from which the attainment is measured."""
    begins("the 5-gram to compare with")
    tokenizer, data = prepared.tokenizer, prepared.data
    seen = encoded(tokenizer, data.training.documents)
    return score(NgramModel.trained(seen, tokenizer.n_tokens, ORDERS[-1]), tokenizer, data.validation).nats_a_token


class _Ngrams:
    """N-grams are counted once, so there is one evaluation."""

    n_evaluations, n_worse = 1, 0

    def __init__(self, prepared: PreparedText) -> None:
        self._prepared = prepared
        self._model: NgramModel | None = None
        self.curve: tuple[CurvePoint, ...] = ()

    def advance(self) -> TextProgress:
        self._model, point = count_ngrams(self._prepared)
        self.curve = (point,)
        floor = self._prepared.manifest.floor_nats
        return TextProgress(
            step=1,
            n_steps=1,
            training_nats=point.training_nats,
            validation_nats=point.validation_nats,
            excess=None if floor is None else point.validation_nats - floor,
            tokens_per_second=0.0,
            seconds_left=0.0,
            is_best=True,
        )

    def model(self) -> NgramModel:
        assert self._model is not None
        return self._model

    def weights(self) -> bytes:
        return self.model().to_bytes()

    def save(self, file: Path) -> None:
        write_file(file, msgspec.json.encode(self.curve), durable=False)

    def resume(self, file: Path) -> None:
        """Count again, which takes no longer than to read what was counted."""
        self.advance()


def _decoder(prepared: PreparedText, *, n_threads: int) -> "DecoderTraining":
    """Begin to train a decoder, in as many threads as there are cores unless the settings say otherwise."""
    import torch

    from core.text.neural.training import DecoderTraining

    torch.set_num_threads(n_threads or usable_processors())
    return DecoderTraining(prepared)
