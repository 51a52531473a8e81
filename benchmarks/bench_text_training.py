"""Tokens a second of a decoder in training, beside a plain PyTorch loop over a model of the same size.

    python benchmarks/bench_text_training.py [--seconds 20] [--device cpu|cuda] [--threads 1]

The plain loop trains torch's own TransformerEncoder, masked to be causal, with learned positions, tied output, GELU and
AdamW, on the same batches. Our decoder is that of the settings' defaults: as it is, by Muon, with its activations
computed twice, in mixed precision, and compiled. All take turns of a few steps until each has had its seconds, so that
what else the machine does falls on all alike; what compiling takes is told beside it. Needs the extra `text`.
"""

import argparse
import time
from collections.abc import Callable

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.settings.text_model import TextModelSettings
from core.text.judging import encoded
from core.text.neural.batches import NOT_PREDICTED, batch_of, epoch_order, rows_of
from core.text.neural.training import DecoderTraining
from core.text.prepared import PreparedText, prepare_text

TURN = 5  # steps
OURS: dict[str, dict[str, object]] = {
    "ours": {},
    "by Muon": {"optimizer": "muon"},
    "activations twice": {"gradient_checkpointing": True},
    "mixed precision": {"mixed_precision": True},
    "compiled": {"compile": True},
    "compiled, mixed": {"compile": True, "mixed_precision": True},
}


class PlainDecoder(nn.Module):
    """What a tutorial would write."""

    def __init__(self, settings: TextModelSettings, n_tokens: int) -> None:
        super().__init__()
        width = settings.embedding_dim
        self.tokens = nn.Embedding(n_tokens, width)
        self.positions = nn.Embedding(settings.max_length, width)
        layer = nn.TransformerEncoderLayer(
            width, settings.num_heads, settings.hidden_dim, settings.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, settings.num_layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=tokens.device)
        state = self.tokens(tokens) + self.positions(torch.arange(length, device=tokens.device))
        return functional.linear(self.layers(state, mask=mask, is_causal=True), self.tokens.weight)


def plain_steps(prepared: PreparedText, device: torch.device) -> Callable[[], int]:
    """Return what makes a step of the plain loop and returns how many tokens it predicted."""
    settings = prepared.manifest.settings
    rows = rows_of(encoded(prepared.tokenizer, prepared.data.training.documents), prepared.max_length)
    lengths = torch.tensor([len(row) for row in rows]).numpy()
    batches = iter(epoch_order(lengths, settings.batch_size, seed=settings.seed, epoch=0) * 1_000)
    model = PlainDecoder(settings, prepared.tokenizer.n_tokens).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

    def step() -> int:
        batch = batch_of([rows[row] for row in next(batches).tolist()])
        inputs, targets = (torch.from_numpy(each).to(device) for each in (batch.inputs, batch.targets))
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=NOT_PREDICTED)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        return batch.n_predicted

    return step


def our_steps(prepared: PreparedText) -> Callable[[], int]:
    """Return the same of our training."""
    training = DecoderTraining(prepared)

    def step() -> int:
        before = training._standing.n_summed
        training.step()
        return training._standing.n_summed - before

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each, in turns")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = TextModelSettings(
        architecture="decoder", device=arguments.device, epochs=10_000, evaluation_steps=1_000_000
    )
    tried = {"plain loop": plain_steps(prepare_text(settings), torch.device(arguments.device))}
    for name, change in OURS.items():
        tried[name] = our_steps(prepare_text(msgspec.structs.replace(settings, **change)))
    first = {name: _timed(step, 1)[1] for name, step in tried.items()}
    tokens, seconds = dict.fromkeys(tried, 0), dict.fromkeys(tried, 0.0)
    while min(seconds.values()) < arguments.seconds:
        for name, step in tried.items():
            found, took = _timed(step, TURN)
            tokens[name] += found
            seconds[name] += took
    plain = tokens["plain loop"] / seconds["plain loop"]
    print(f"{'':<20}{'tokens a second':>16}{'of the plain loop':>19}{'first step, s':>15}")
    for name in tried:
        rate = tokens[name] / seconds[name]
        print(f"{name:<20}{rate:>16,.0f}{rate / plain:>18.2f}x{first[name]:>15.1f}")


def _timed(step: Callable[[], int], n: int) -> tuple[int, float]:
    """Return how many tokens some steps predicted, and what they took; a GPU has ended its work then."""
    began = time.perf_counter()
    found = sum(step() for _ in range(n))
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return found, time.perf_counter() - began


if __name__ == "__main__":
    main()
