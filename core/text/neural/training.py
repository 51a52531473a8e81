"""Training a decoder: its optimizers, warm-up and a falling rate, clipping, checkpoints, and an early end.

Whatever a step draws follows from the seed and the number of the step, so a training that was killed goes on from its
checkpoint to the same bytes that it would have reached without.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.arrays import IntArray
from core.errors import UsageError
from core.files import digest, write_file
from core.json_documents import decode_json
from core.plain_files import require_plain
from core.progress import begins
from core.seeds import derive_seed
from core.settings.text_model import TextModelSettings
from core.text.judging import encoded
from core.text.language_model import n_predicted
from core.text.model_folder import CurvePoint
from core.text.neural.batches import TokenBatch, batch_of, epoch_order, n_batches, rows_of
from core.text.neural.decoder import Decoder
from core.text.neural.devices import StepComputer, own_random_stream, training_device
from core.text.neural.gpt2 import Gpt2
from core.text.neural.lora import trained_weights
from core.text.neural.optimizers import Optimizers
from core.text.neural.ranks import TrainingRanks, joined
from core.text.neural.weights import (
    DecoderModel,
    WeightsError,
    add_lora,
    fill,
    make_trainable,
    spell_weights,
    teacher_distances,
    token_losses,
)
from core.text.prepared import PreparedText, TextProgress
from core.text.ranks import ALONE, RankPlace

_COSINE_END = 0.1
_MODEL, _BEST = "model.", "best."


class _Standing(msgspec.Struct):
    """What a checkpoint says beside its tensors."""

    step: int = 0
    best_nats: float | None = None
    n_worse: int = 0
    summed_nats: float = 0.0
    n_summed: int = 0
    curve: list[CurvePoint] = msgspec.field(default_factory=list)


@dataclass
class _Speed:
    """Tokens a second since this process began to train."""

    began_at: float = field(default_factory=time.monotonic)
    n_tokens: int = 0

    def per_second(self) -> float:
        """Return the mean so far."""
        return self.n_tokens / max(time.monotonic() - self.began_at, 1e-9)


def train_decoder(
    prepared: PreparedText,
    checkpoint: Path,
    report: Callable[[TextProgress], None],
    place: RankPlace = ALONE,
) -> tuple[bytes, Sequence[CurvePoint]]:
    """Train a decoder.

    Args:
        prepared: Settings, documents and tokenizer.
        checkpoint: Where a training goes on from, and what it writes.
        report: Is told every evaluation.
        place: Of this process among those that train together; the first alone writes the checkpoint.
    Returns:
        The weights with the least validation loss, and the evaluations.
    Raises:
        UsageError: The checkpoint cannot be used, the settings ask for a GPU that is not there, or the loss is no
            number any more.
        RankLostError: Another process has ended.
    """
    settings = prepared.manifest.settings
    device = training_device(settings, place)
    with own_random_stream(device), joined(place, device) as ranks:
        training = DecoderTraining(prepared, ranks)
        ranks.require_same(training.beginning())
        ranks.resume_alike(checkpoint, training.resume)
        while not training.is_over:
            if (progress := training.step()) is not None:
                report(progress)
            n_done = training.n_done
            is_due = n_done and n_done % settings.checkpoint_steps == 0 and n_done < training.n_steps
            if is_due and place.is_first:
                training.save(checkpoint)
        return training.weights(), training.curve


def learning_rate(settings: TextModelSettings, step: int, n_steps: int) -> float:
    """Return the learning rate of a step, counted from 0.

    >>> settings = TextModelSettings(warmup_steps=2, schedule="linear", learning_rate=1.0)
    >>> [learning_rate(settings, step, 6) for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    share = (step - settings.warmup_steps) / max(n_steps - settings.warmup_steps, 1)
    match settings.schedule:
        case "cosine":
            return settings.learning_rate * (_COSINE_END + (1 - _COSINE_END) * (1 + math.cos(math.pi * share)) / 2)
        case "linear":
            return settings.learning_rate * (1 - share)
        case _:
            return settings.learning_rate


class DecoderTraining:
    """A decoder while it is trained, a step at a time."""

    def __init__(self, prepared: PreparedText, ranks: TrainingRanks | None = None) -> None:
        """Begin with new weights, or with those of the base.

        Args:
            prepared: Settings, documents and tokenizer.
            ranks: The processes that train together; None: this one alone.
        Raises:
            UsageError: The settings ask for a GPU that is not there.
        """
        self._ranks = ranks or TrainingRanks()
        self._prepared = prepared
        self._settings = settings = prepared.manifest.settings
        self._floor = prepared.manifest.floor_nats
        tokenizer, data = prepared.tokenizer, prepared.data
        self._rows = rows_of(encoded(tokenizer, data.training.documents), prepared.max_length)
        self._lengths = np.array([len(row) for row in self._rows], dtype=np.int64)
        self._validation = encoded(tokenizer, data.validation.documents)
        self._per_epoch = n_batches(len(self._rows), settings.batch_size)
        self.n_steps = self._per_epoch * settings.epochs
        if settings.max_steps:
            self.n_steps = min(self.n_steps, settings.max_steps)
        """The most steps there will be."""
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self._is_tuned = prepared.base is not None
        if prepared.base is None:
            self._decoder: Decoder | Gpt2 = Decoder(settings, tokenizer.n_tokens)
        else:
            self._decoder = prepared.base.model.decoder
            make_trainable(self._decoder, settings.dropout)
            if settings.lora_rank:
                add_lora(self._decoder, settings)
        self._device = training_device(settings, self._ranks.place)
        self._decoder.to(self._device)  # drawn on the CPU: the same weights on every device
        self._teacher = None if prepared.teacher is None else prepared.teacher.model.decoder.to(self._device)
        self._trained = trained_weights(self._decoder)
        self._decoder.recomputes = settings.gradient_checkpointing
        self._computer = StepComputer(self._decoder, settings, self._device)
        self._optimizers = Optimizers(settings, self._trained)
        self._best = self._copied()
        self._standing = _Standing()
        self._epoch, self._order = -1, list[IntArray]()
        self._speed = _Speed()

    @property
    def n_done(self) -> int:
        """The steps so far."""
        return self._standing.step

    @property
    def n_worse(self) -> int:
        """The evaluations since the best one."""
        return self._standing.n_worse

    @property
    def curve(self) -> Sequence[CurvePoint]:
        """The evaluations so far."""
        return self._standing.curve

    @property
    def n_evaluations(self) -> int:
        """The most evaluations there will be."""
        return self._is_tuned + math.ceil(self.n_steps / self._settings.evaluation_steps)

    @property
    def is_over(self) -> bool:
        """Whether no step is left, or too many evaluations brought no better loss."""
        return self.n_done >= self.n_steps or 0 < self._settings.patience <= self.n_worse

    def step(self) -> TextProgress | None:
        """Learn from the next batch; return the evaluation, if one is due. That of a base comes before its first step.

        Raises:
            UsageError: The loss is no number any more, or the device cannot compute the step.
        """
        standing = self._standing
        if self._is_tuned and not standing.curve:
            return self._evaluate()
        begins(f"step {standing.step + 1:,} of {self.n_steps:,}")
        batch = self._batch(standing.step)
        with self._computer.computing():
            self._learn(batch)
        self._speed.n_tokens += batch.n_predicted
        standing.step += 1
        if standing.step == self.n_steps or standing.step % self._settings.evaluation_steps == 0:
            return self._evaluate()
        return None

    def advance(self) -> TextProgress:
        """Learn up to the next evaluation, and return it; raises as `step`."""
        while (progress := self.step()) is None:
            pass
        return progress

    def beginning(self) -> bytes:
        """Return what all processes that train together must have alike: a hash of all that the first step needs."""
        manifest = self._prepared.manifest
        alike = msgspec.to_builtins(manifest)
        alike["settings"] |= dict.fromkeys(("base", "corpus", "teacher"), "")  # each host has its own places
        parts = (
            msgspec.json.encode(alike, order="deterministic"),
            torch.__version__.encode(),
            spell_weights(self._trained),
        )
        return digest(b"".join(parts)).encode()

    def weights(self) -> bytes:
        """Return the weights with the least validation loss."""
        return spell_weights(self._best)

    def model(self) -> DecoderModel:
        """Return the model as it is now."""
        return DecoderModel(self._decoder)

    def _batch(self, step: int) -> TokenBatch:
        """Return the documents of a step."""
        epoch, place = divmod(step, self._per_epoch)
        if self._epoch != epoch:
            self._epoch = epoch
            seed, size = self._settings.seed, self._settings.batch_size
            self._order = epoch_order(self._lengths, size, seed=seed, epoch=epoch)
        return batch_of([self._rows[row] for row in self._order[place].tolist()])

    def _learn(self, batch: TokenBatch) -> None:
        """Learn from a batch, in parts whose gradients add up to that of the whole, also over several processes."""
        settings, standing, rank = self._settings, self._standing, self._ranks.place.rank
        of_rank = (rank,) if rank else ()
        torch.manual_seed(derive_seed(settings.seed, "dropout", standing.step, *of_rank))
        self._decoder.train()
        self._optimizers.begin(learning_rate(settings, standing.step, self.n_steps))
        own_places = self._ranks.share(len(batch.inputs))
        n_parts = min(settings.accumulation, len(own_places))
        nats = 0.0
        for places in np.array_split(own_places, n_parts) if n_parts else ():
            inputs = torch.from_numpy(batch.inputs[places]).to(self._device)
            targets = torch.from_numpy(batch.targets[places]).to(self._device)
            logits = self._computer.logits(inputs)
            own = token_losses(logits, targets).sum() / batch.n_predicted
            loss = own
            if self._teacher is not None:
                with torch.no_grad():
                    taught, _ = self._teacher(inputs)
                distance = teacher_distances(logits, taught, targets).sum() / batch.n_predicted
                loss = (1 - settings.teacher_share) * own + settings.teacher_share * distance
            loss.backward()
            nats += own.item()
        nats = self._ranks.sum_gradients(self._trained, nats)
        if not math.isfinite(nats):
            raise UsageError(
                f"The loss of step {standing.step + 1} is {nats}: training has diverged. Lower "
                f"text_model.learning_rate ({settings.learning_rate:g}), or raise warmup_steps."
            )
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(self._trained.values(), settings.clip)
        self._optimizers.step()
        standing.summed_nats += nats * batch.n_predicted
        standing.n_summed += batch.n_predicted

    def _evaluate(self) -> TextProgress:
        """Weigh the validation documents, and keep the weights if no evaluation before was better."""
        standing = self._standing
        nats = self._ranks.of_first(self._weigh)
        is_best = standing.best_nats is None or nats < standing.best_nats
        if is_best:
            standing.best_nats, standing.n_worse, self._best = nats, 0, self._copied()
        else:
            standing.n_worse += 1
        training_nats = standing.summed_nats / standing.n_summed if standing.n_summed else nats
        standing.curve.append(CurvePoint(standing.step, training_nats, nats))
        standing.summed_nats, standing.n_summed = 0.0, 0
        per_second = self._speed.per_second()
        left = (self.n_steps - standing.step) / self._per_epoch * float(np.sum(self._lengths - 1))
        return TextProgress(
            step=standing.step,
            n_steps=self.n_steps,
            training_nats=training_nats,
            validation_nats=nats,
            excess=None if self._floor is None else nats - self._floor,
            tokens_per_second=per_second,
            seconds_left=left / per_second if per_second else None,
            is_best=is_best,
        )

    def _weigh(self) -> float:
        """Return the mean loss a token of the validation documents."""
        return float(DecoderModel(self._decoder).document_nats(self._validation).sum()) / n_predicted(self._validation)

    def _copied(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._trained.items()}

    def save(self, checkpoint: Path) -> None:
        """Write everything that the next step needs, whole or not at all."""
        tensors = {f"{_MODEL}{name}": weight for name, weight in self._trained.items()}
        tensors |= {f"{_BEST}{name}": weight for name, weight in self._best.items()}
        tensors |= self._optimizers.kept() if self.n_done else {}
        standing = msgspec.json.encode(self._standing).decode()
        content = spell_weights(tensors, {"standing": standing})
        write_file(checkpoint, content)

    def resume(self, where: Path) -> None:
        """Stand where a checkpoint was written.

        Raises:
            WeightsError: It is not the checkpoint of this training.
        """
        require_plain(where)
        try:
            with safe_open(where, framework="pt") as file:
                standing = decode_json((file.metadata() or {}).get("standing", ""), _Standing)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        except (SafetensorError, msgspec.DecodeError) as error:
            raise WeightsError(f"{where} is no checkpoint: {error}. Remove it to begin anew.") from None
        fill(self._decoder, _part(tensors, _BEST), where)
        self._best = self._copied()
        fill(self._decoder, _part(tensors, _MODEL), where)
        if standing.step and (name := self._optimizers.resume(tensors, standing.step)) is not None:
            raise WeightsError(f"{where} lacks the moments of {name}. Remove it to begin anew.")
        self._standing = standing


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
