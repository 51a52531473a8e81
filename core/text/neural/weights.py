"""The decoder as a model of language, and its weights as safetensors: arrays and nothing else, never executed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional

from core.arrays import FloatArray
from core.errors import UsageError
from core.settings.text_model import TextModelSettings
from core.text.gpt2_shape import Gpt2Shape
from core.text.language_model import TokenizedDocuments
from core.text.neural.batches import NOT_PREDICTED, batch_of, rows_of
from core.text.neural.decoder import Decoder, KeyValues
from core.text.neural.gpt2 import Gpt2
from core.text.neural.int8 import use_int8
from core.text.neural.lora import add_adapters, merge_adapters, trained_weights
from core.text.tokenizers.tokenizer import END

_ROWS_AT_ONCE = 64
_LOGITS_AT_ONCE = 1 << 26  # 256 MiB


class WeightsError(UsageError):
    """A file holds no weights of this decoder."""


class DecoderModel:
    """A trained decoder."""

    def __init__(self, decoder: Decoder | Gpt2) -> None:
        """Take it; it is not trained any further."""
        self.decoder = decoder.eval()

    @property
    def name(self) -> str:
        """Which of the decoders it is."""
        return "gpt2" if isinstance(self.decoder, Gpt2) else "decoder"

    @property
    def n_tokens(self) -> int:
        """The size of its vocabulary."""
        return self.decoder.embedding.num_embeddings

    @property
    def n_weights(self) -> int:
        """How many numbers it has learned."""
        return sum(weight.numel() for weight in self.decoder.state_dict().values())

    @torch.inference_mode()
    def document_nats(self, documents: TokenizedDocuments) -> FloatArray:
        """Return -log P of each document, its end included."""
        device = self.decoder.embedding.weight.device
        rows, owners = [], []
        for owner, document in enumerate(documents):
            cut = rows_of([document], self.decoder.max_length)
            rows += cut
            owners += [owner] * len(cut)
        nats = np.zeros(len(documents))
        for places in self._batches([len(row) for row in rows]):
            batch = batch_of([rows[place] for place in places])
            targets = torch.from_numpy(batch.targets).to(device)
            logits, _ = self.decoder(torch.from_numpy(batch.inputs).to(device))
            losses = token_losses(logits, targets).double().sum(dim=1).cpu().numpy()
            np.add.at(nats, [owners[place] for place in places], losses)
        return nats

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Return places, the shortest rows first, as many at once as memory has room for their logits."""
        left = np.argsort(lengths, kind="stable").tolist()
        while left:
            n = min(_ROWS_AT_ONCE, len(left))
            while n > 1 and n * lengths[left[n - 1]] * self.n_tokens > _LOGITS_AT_ONCE:
                n -= 1
            yield left[:n]
            left = left[n:]

    def begin(self) -> "DecoderContinuation":
        """Begin a document."""
        return DecoderContinuation(self.decoder)


class DecoderContinuation:
    """A document that a decoder is writing; what it has computed of earlier tokens is kept."""

    def __init__(self, decoder: Decoder | Gpt2) -> None:
        """Begin it."""
        self._decoder = decoder
        self._tokens: list[int] = []
        self._caches: list[KeyValues] | None = None
        self._logs = np.empty(0)
        self.take([END])

    @torch.inference_mode()
    def take(self, tokens: Sequence[int]) -> None:
        """Append tokens. Where the text outgrows the longest document, its last half counts."""
        for token in tokens:
            self._tokens.append(token)
            pending = [token]
            if self._caches is not None and self._caches[0][0].shape[2] >= self._decoder.max_length:
                pending, self._caches = self._tokens[-max(self._decoder.max_length // 2, 1) :], None
            given = torch.tensor([pending], device=self._decoder.embedding.weight.device)
            logits, self._caches = self._decoder(given, self._caches)
        if tokens:
            self._logs = torch.log_softmax(logits[0, -1].double(), dim=-1).cpu().numpy()

    def next_log_probabilities(self) -> FloatArray:
        """Return the log of the probability of each token as the next."""
        return self._logs


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log P of each target, shape (n, length); 0 where nothing is predicted."""
    flat = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=NOT_PREDICTED, reduction="none"
    )
    return flat.view(targets.shape)


def teacher_distances(logits: Tensor, taught: Tensor, targets: Tensor) -> Tensor:
    """Return how far each next token's distribution is from that of a teacher, shape (n, length), in nats.

    It is the Kullback-Leibler divergence of the model from its teacher; 0 where nothing is predicted. Both models have
    the same temperature, 1: where the teacher is right, the least loss is that of the documents themselves.

    Source:
        Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015 (arXiv 1503.02531).
    """
    own, others = (torch.log_softmax(each, dim=-1) for each in (logits, taught))
    distances = functional.kl_div(own, others, reduction="none", log_target=True).sum(dim=-1)
    return distances.masked_fill(targets == NOT_PREDICTED, 0.0)


def spell_weights(weights: Mapping[str, Tensor], notes: dict[str, str] | None = None) -> bytes:
    """Return weights as safetensors, with notes in its header; the same weights and notes give the same bytes."""
    return save({name: weight.detach().contiguous() for name, weight in weights.items()}, notes)


def read_tensors(content: bytes, where: object) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        WeightsError: They are none.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{where} holds no weights: {error}.") from None


def open_decoder(
    content: bytes,
    settings: TextModelSettings,
    n_tokens: int,
    where: object,
    shape: Gpt2Shape | None = None,
    *,
    is_int8: bool = False,
) -> DecoderModel:
    """Read a decoder.

    Args:
        content: Its weights.
        settings: What it was trained with.
        n_tokens: The size of the vocabulary.
        where: Their place, for the errors.
        shape: That of a GPT-2; None: it is a decoder of the settings.
        is_int8: Whether its linear layers are rounded to eight bits.
    Raises:
        WeightsError: The weights are not those of such a decoder.
    """
    if shape is not None and shape.vocab_size != n_tokens:
        raise WeightsError(f"{where} is of {shape.vocab_size:,} tokens, and its tokenizer has {n_tokens:,}.")

    def drawn() -> Decoder | Gpt2:
        decoder = Decoder(settings, n_tokens) if shape is None else Gpt2(shape, settings.dropout)
        if is_int8:
            use_int8(decoder)
        return decoder

    weights = read_tensors(content, where)
    with torch.device("meta"):  # a shape that the weights do not have takes no memory
        _put(drawn(), weights, where, assign=True)
    decoder = drawn()
    _put(decoder, weights, where)
    _require_finite(decoder, where)
    return DecoderModel(decoder)


def add_lora(decoder: Decoder | Gpt2, settings: TextModelSettings) -> None:
    """Freeze a decoder, and put the adapters of the settings into it; their first matrices are drawn."""
    add_adapters(decoder, rank=settings.lora_rank, alpha=settings.lora_alpha, targets=settings.lora_targets)


def make_trainable(decoder: Decoder | Gpt2, dropout: float) -> None:
    """Let a base be trained: all its weights, with this share of activations left out."""
    decoder.requires_grad_(True)
    for part in decoder.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = dropout
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = dropout


def with_adapters(base: DecoderModel, content: bytes, settings: TextModelSettings, where: object) -> DecoderModel:
    """Merge trained adapters into their base, which is changed.

    Raises:
        WeightsError: They are not those of this base.
    """
    add_lora(base.decoder, settings)
    fill(base.decoder, read_tensors(content, where), where)
    merge_adapters(base.decoder)
    return DecoderModel(base.decoder)


def fill(decoder: Decoder | Gpt2, weights: Mapping[str, Any], where: object) -> None:
    """Put weights into a decoder: all of them, or those of its adapters.

    Raises:
        WeightsError: They are not those of such a decoder.
    """
    trained = trained_weights(decoder)
    frozen = {name: weight for name, weight in decoder.state_dict().items() if name not in trained}
    if foreign := sorted(frozen.keys() & weights.keys()):
        raise WeightsError(f"{where} holds no weights of this decoder: {foreign[0]} is that of its base")
    _put(decoder, {**frozen, **weights}, where)
    _require_finite(decoder, where)


def _require_finite(decoder: Decoder | Gpt2, where: object) -> None:
    if not all(bool(torch.isfinite(weight).all()) for weight in decoder.state_dict().values()):
        raise WeightsError(f"{where} holds weights that are no finite numbers.")


def _put(decoder: Decoder | Gpt2, weights: Mapping[str, Any], where: object, *, assign: bool = False) -> None:
    for name, own in decoder.state_dict().items():  # what is read would be cast in silence
        found = weights.get(name, own)
        if found.dtype != own.dtype and not (found.is_floating_point() and own.is_floating_point()):
            raise WeightsError(f"{where} holds no weights of this decoder: {name} is {found.dtype}, not {own.dtype}")
    try:
        decoder.load_state_dict(weights, strict=True, assign=assign)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise WeightsError(f"{where} holds no weights of this decoder: {first}") from None
