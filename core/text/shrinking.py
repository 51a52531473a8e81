"""A smaller model made of a trained one, and what that costs: layers of eight bits, or fewer hidden units."""

from pathlib import Path

import msgspec

from core.errors import UsageError
from core.files import sha256_of
from core.progress import begins
from core.text.comparing import LEAST_DOCUMENTS, ratio_interval
from core.text.judging import ModelScore, encoded, scored
from core.text.model_folder import MANIFEST, ModelFolder, TextModelManifest, spell_model
from core.text.training import open_judged

_WEIGHED = 256
"""Training documents on which hidden units are weighed."""
_LEAST_UNITS = 4
"""The least that `hidden_dim` of the settings can be."""


class ShrunkModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was made smaller, beside the one it was made of, on documents that neither has seen.

    Attributes:
        precision: Of its linear layers, "float32" or "int8".
        hidden_units: Of each feed-forward layer.
        n_bytes: Of its weights.
        source_bytes: Of the weights of the other one, adapters merged.
        n_documents: How many documents.
        score: Its loss.
        source_score: The loss of the other one.
        cost: The first less the second, in nats a token; below 0, it is better.
        low: Of the 95 % interval of the cost.
        high: Of the 95 % interval of the cost.
    """

    precision: str
    hidden_units: int
    n_bytes: int
    source_bytes: int
    n_documents: int
    score: ModelScore
    source_score: ModelScore
    cost: float
    low: float
    high: float


def shrink_folder(source: Path, out: Path, *, int8: bool = False, hidden_units: int | None = None) -> ShrunkModel:
    """Make a smaller model of a trained decoder, and weigh both on the documents that judge it.

    Args:
        source: The folder of the trained decoder; it stays as it is.
        out: A new folder.
        int8: Round the linear layers to eight bits. Such a model cannot be trained any further.
        hidden_units: How many units of each feed-forward layer are kept; None: all. Such a model can be fine-tuned.
    Raises:
        NotFoundError: There is no model.
        UsageError: It is a model of n-grams, or rounded already; nothing would be smaller; or fewer than ten documents
            judge it.
        RefusedError: A file was changed, or the new folder holds anything else.
    """
    manifest = ModelFolder(source).manifest()
    if manifest.architecture == "ngram":
        raise UsageError(f"{source} holds a model of n-grams; only a decoder can be made smaller.")
    if manifest.precision == "int8":
        raise UsageError(f"{source} holds a model of eight bits; make a smaller one of the model it was made of.")
    if not int8 and hidden_units is None:
        raise UsageError("Nothing would be smaller: ask for int8, for fewer hidden units, or for both.")
    opened, data = open_judged(source)
    from core.text.neural.batches import rows_of
    from core.text.neural.int8 import use_int8
    from core.text.neural.pruning import hidden_units as units_of
    from core.text.neural.pruning import prune_hidden_units
    from core.text.neural.weights import DecoderModel

    assert isinstance(opened.model, DecoderModel)
    decoder = opened.model.decoder
    n_units = units_of(decoder)
    if hidden_units is not None and not _LEAST_UNITS <= hidden_units < n_units:
        raise UsageError(
            f"{hidden_units:,} hidden units cannot be kept: {source} has {n_units:,} in each layer; keep fewer, and at "
            f"least {_LEAST_UNITS}."
        )
    judged = data.judged
    tokens = encoded(opened.tokenizer, judged.documents)
    if len(tokens) < LEAST_DOCUMENTS:
        raise UsageError(f"Only {len(tokens)} documents judge {source}; what it costs needs {LEAST_DOCUMENTS}.")
    made = _manifest(manifest, source, int8=int8, hidden_units=hidden_units)
    folder = ModelFolder(out)
    with folder.filled(made, opened.tokenizer):
        begins("weighing the model")
        before, source_bytes = opened.model.document_nats(tokens), len(spell_model(opened.model))
        if hidden_units is not None:
            begins("weighing hidden units")
            seen = encoded(opened.tokenizer, data.training.documents[:_WEIGHED])
            prune_hidden_units(decoder, rows_of(seen, decoder.max_length), hidden_units)
        if int8:
            use_int8(decoder)
        begins("weighing the smaller model")
        after, weights = opened.model.document_nats(tokens), spell_model(opened.model)
        folder.finish(made, weights, manifest.curve)
    cost, low, high = ratio_interval(after - before, [len(document) + 1 for document in tokens])
    score, source_score = (scored(opened.model.name, float(nats.sum()), tokens, judged) for nats in (after, before))
    return ShrunkModel(
        precision=made.precision,
        hidden_units=n_units if hidden_units is None else hidden_units,
        n_bytes=len(weights),
        source_bytes=source_bytes,
        n_documents=len(tokens),
        score=score,
        source_score=source_score,
        cost=cost,
        low=low,
        high=high,
    )


def _manifest(source: TextModelManifest, path: Path, *, int8: bool, hidden_units: int | None) -> TextModelManifest:
    """Describe the smaller model: whole in itself, with the adapters of the other one merged."""
    settings, shape = msgspec.structs.replace(source.settings, lora_rank=0), source.gpt2
    if hidden_units is not None:
        settings = msgspec.structs.replace(settings, hidden_dim=hidden_units)
    if hidden_units is not None and shape is not None:
        shape = msgspec.structs.replace(shape, n_inner=hidden_units)
    return msgspec.structs.replace(
        source,
        settings=settings,
        gpt2=shape,
        precision="int8" if int8 else source.precision,
        source_sha256=sha256_of(path / MANIFEST),
        weights_sha256="",
        curve=(),
    )
