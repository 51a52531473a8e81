"""The `text_model` block: a model of language, its corpus and its training."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.settings.names import Name


class TextModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model of language: what `bondx text train` trains, and on what."""

    architecture: Annotated[
        Literal["auto", "decoder", "ngram"],
        Meta(description="A decoder (needs the extra `text`), n-grams, or auto: the decoder where it can be."),
    ] = "auto"
    domain: Annotated[Name, Meta(description="Whose grammar draws the documents.")] = "etrm"
    corpus: Annotated[
        str, Meta(max_length=4_096, description="A file of your own documents instead, .txt or .jsonl; empty: none.")
    ] = ""
    documents: Annotated[int, Meta(ge=10, le=2_000_000, description="How many documents are drawn.")] = 20_000
    judged_documents: Annotated[
        int, Meta(ge=1, le=100_000, description="How many documents judge the model; it never trains on them.")
    ] = 1_000
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Same seed and settings, same model.")] = 42
    tokenizer: Annotated[Literal["word", "bpe"], Meta(description="Whole words, or byte pairs.")] = "word"
    vocab_size: Annotated[
        int, Meta(ge=257, le=100_000, description="The largest vocabulary; a small corpus does not fill it.")
    ] = 10_000
    ngram_order: Annotated[int, Meta(ge=1, le=8, description="The longest n-grams of an n-gram model.")] = 5
    embedding_dim: Annotated[int, Meta(ge=4, le=2_048, description="Width of the decoder.")] = 128
    hidden_dim: Annotated[int, Meta(ge=4, le=8_192, description="Width of its feed-forward layers.")] = 256
    num_heads: Annotated[
        int, Meta(ge=1, le=64, description="Heads of attention; each has an even width: embedding_dim / num_heads.")
    ] = 8
    num_layers: Annotated[int, Meta(ge=1, le=48, description="Layers.")] = 4
    max_length: Annotated[
        int, Meta(ge=8, le=8_192, description="Longest document, in tokens; a longer one is trained on in pieces.")
    ] = 512
    dropout: Annotated[float, Meta(ge=0, lt=1, description="Share of activations left out while training.")] = 0.1
    batch_size: Annotated[int, Meta(ge=1, le=4_096, description="Documents in a step.")] = 32
    epochs: Annotated[int, Meta(ge=1, le=10_000, description="How often training sees each document at most.")] = 10
    max_steps: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Most steps; 0: those of the epochs. The schedule ends with it.")
    ] = 0
    optimizer: Annotated[
        Literal["adamw", "muon"],
        Meta(description="AdamW for all weights, or Muon for the matrices of the layers and AdamW for the others."),
    ] = "adamw"
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="Peak learning rate.")] = 0.001
    schedule: Annotated[
        Literal["cosine", "linear", "constant"],
        Meta(description="How the rate falls after warm-up: to a tenth by a cosine, to 0 on a line, or not at all."),
    ] = "cosine"
    warmup_steps: Annotated[int, Meta(ge=0, le=100_000, description="Steps in which the rate rises.")] = 100
    weight_decay: Annotated[float, Meta(ge=0, le=1, description="Weight decay of matrices.")] = 0.01
    clip: Annotated[float, Meta(ge=0, le=1_000, description="Longest gradient; longer ones are cut; 0: any.")] = 1.0
    accumulation: Annotated[
        int, Meta(ge=1, le=1_024, description="Parts in which a step's documents are computed, to save memory.")
    ] = 1
    gradient_checkpointing: Annotated[
        bool, Meta(description="Compute the activations of layers twice, to save memory; the model is the same.")
    ] = False
    device: Annotated[
        Literal["cpu", "cuda", "auto"],
        Meta(description="What trains a decoder: the CPU, a GPU, or auto: a GPU where torch finds one."),
    ] = "cpu"
    mixed_precision: Annotated[
        bool, Meta(description="Compute the products of training in bfloat16; weights keep their 32 bits.")
    ] = False
    compile: Annotated[
        bool, Meta(description="Compile the decoder before training; on a CPU that needs a C++ compiler.")
    ] = False
    evaluation_steps: Annotated[int, Meta(ge=1, le=1_000_000, description="Steps between two evaluations.")] = 100
    patience: Annotated[
        int, Meta(ge=0, le=10_000, description="Evaluations without a better loss that end training early; 0: none.")
    ] = 10
    checkpoint_steps: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Steps between two checkpoints, from which training goes on.")
    ] = 100

    base: Annotated[
        str,
        Meta(
            max_length=4_096,
            description="The folder of a decoder, ours or a GPT-2 as safetensors, that is fine-tuned; empty: none.",
        ),
    ] = ""
    lora_rank: Annotated[
        int, Meta(ge=0, le=1_024, description="Rank of the adapters that a base gets; 0: all weights are tuned.")
    ] = 0
    lora_alpha: Annotated[float, Meta(gt=0, le=10_000, description="Scale of the adapters, times their rank.")] = 16.0
    lora_targets: Annotated[
        tuple[Literal["queries_keys_values", "output", "up", "down"], ...],
        Meta(min_length=1, description="Layers that get adapters: of attention, and up and down of the feed-forward."),
    ] = ("queries_keys_values", "output")

    teacher: Annotated[
        str,
        Meta(
            max_length=4_096,
            description="The folder of a decoder, ours or a GPT-2, that the model also learns from; empty: none.",
        ),
    ] = ""
    teacher_share: Annotated[
        float,
        Meta(gt=0, le=1, description="Share of the loss that is the distance from the teacher's next tokens."),
    ] = 0.5

    def __post_init__(self) -> None:
        if self.embedding_dim % (2 * self.num_heads):
            raise ValueError(
                f"embedding_dim ({self.embedding_dim}) must be a multiple of twice num_heads ({self.num_heads}): each "
                "head has an even width"
            )
        if self.base and self.architecture == "ngram":
            raise ValueError("architecture is ngram, and a base is fine-tuned: n-grams have none")
        if self.teacher and self.architecture == "ngram":
            raise ValueError("architecture is ngram, and there is a teacher: n-grams learn from none")
        if self.lora_rank and not self.base:
            raise ValueError(f"lora_rank ({self.lora_rank}) needs a base that gets the adapters")
        if self.accumulation > self.batch_size:
            raise ValueError(f"accumulation ({self.accumulation}) must be at most batch_size ({self.batch_size})")
