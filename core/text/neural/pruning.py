"""Fewer hidden units: those of each feed-forward layer that move its output most are kept.

Source:
    The score of a unit is the norm of its activations on documents times the norm of its output weights: Sun et al.,
    A Simple and Effective Pruning Approach for Large Language Models, ICLR 2024 (Wanda), by whole units.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from core.text.neural.batches import TokenRow
from core.text.neural.decoder import Decoder
from core.text.neural.gpt2 import Gpt2


def hidden_units(decoder: Decoder | Gpt2) -> int:
    """Return how many hidden units each feed-forward layer has."""
    return _feed_forwards(decoder)[0][0].out_features


@torch.no_grad()
def prune_hidden_units(decoder: Decoder | Gpt2, rows: Sequence[TokenRow], n_kept: int) -> None:
    """Keep the same number of hidden units in every layer of a decoder, which is changed.

    Args:
        decoder: The decoder.
        rows: Documents between their ends, on which the activations are weighed.
        n_kept: How many units are kept, from 1 to `hidden_units(decoder)`.
    """
    layers = _feed_forwards(decoder)
    squares = [torch.zeros(down.in_features) for _, down in layers]

    def weigh(place: int, activations: Tensor) -> None:
        squares[place] += activations.square().sum(dim=(0, 1))

    hooks = [
        down.register_forward_pre_hook(lambda _, given, place=place: weigh(place, given[0]))
        for place, (_, down) in enumerate(layers)
    ]
    for row in rows:
        decoder(torch.tensor([row[:-1]]))
    for hook in hooks:
        hook.remove()
    for (up, down), summed in zip(layers, squares, strict=True):
        scores = summed.sqrt() * down.weight.norm(dim=0)
        kept = scores.argsort(descending=True, stable=True)[:n_kept].sort().values
        up.weight, down.weight = nn.Parameter(up.weight[kept]), nn.Parameter(down.weight[:, kept])
        if up.bias is not None:
            up.bias = nn.Parameter(up.bias[kept])
        up.out_features = down.in_features = n_kept


def _feed_forwards(decoder: Decoder | Gpt2) -> list[tuple[nn.Linear, nn.Linear]]:
    parts = [cast("nn.Module", layer.feed_forward) for layer in decoder.layers]
    return [(cast("nn.Linear", part.up), cast("nn.Linear", part.down)) for part in parts]
