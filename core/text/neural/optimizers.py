"""What turns gradients into steps: AdamW for all weights, or Muon for the matrices of layers and AdamW for the rest.

Source:
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019; Jordan et al., Muon: an optimizer for
    hidden layers in neural networks, 2024; Liu et al., Muon is Scalable for LLM Training, 2025 (arXiv 2502.16982): its
    scale of updates, .2 times the square root of the larger side, with which Muon takes AdamW's rates and decay.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from core.settings.text_model import TextModelSettings

_BETAS: Final = (0.9, 0.95)
_EMBEDDING: Final = "embedding.weight"  # also the output: a row is a token, and no map from one state to another
_KEPT: Final = {"exp_avg": "first_moment.", "exp_avg_sq": "second_moment.", "momentum_buffer": "momentum."}
"""What is kept of each weight, and how a checkpoint calls it."""
_OF_ADAMW, _OF_MUON = ("exp_avg", "exp_avg_sq"), ("momentum_buffer",)


class Optimizers:
    """The optimizers of one training; each weight has one."""

    def __init__(self, settings: TextModelSettings, weights: Mapping[str, Tensor]) -> None:
        """Begin.

        Args:
            settings: Which they are, and the decay of matrices.
            weights: What is trained, by name.
        """
        self._weights = weights
        matrices = [weight for name, weight in weights.items() if weight.dim() > 1 and name != _EMBEDDING]
        others = [weight for name, weight in weights.items() if weight.dim() <= 1 or name == _EMBEDDING]
        rate, decay = settings.learning_rate, settings.weight_decay
        self._by_muon = {id(weight) for weight in matrices} if settings.optimizer == "muon" else set()
        self._all: list[torch.optim.Optimizer] = []
        if self._by_muon:
            self._all.append(torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
            matrices = []
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        groups = [group for group in groups if group["params"]]
        if groups:
            self._all.append(torch.optim.AdamW(groups, lr=rate, betas=_BETAS))

    def begin(self, rate: float) -> None:
        """Begin a step: forget the gradients, and take a learning rate."""
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Change the weights by their gradients."""
        for optimizer in self._all:
            optimizer.step()

    def kept(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold of them, once there was a step."""
        return {
            f"{_KEPT[part]}{name}": self._of(weight).state[weight][part]
            for name, weight in self._weights.items()
            for part in self._parts(weight)
        }

    def resume(self, tensors: Mapping[str, Tensor], n_steps: int) -> str | None:
        """Stand as after some steps.

        Returns:
            The weight of which something is missing; None if nothing is.
        """
        for name, weight in self._weights.items():
            found = {part: tensors.get(f"{_KEPT[part]}{name}") for part in self._parts(weight)}
            state = {part: tensor.to(weight.device) for part, tensor in found.items() if tensor is not None}
            if len(state) < len(found) or any(tensor.shape != weight.shape for tensor in state.values()):
                return name
            if id(weight) not in self._by_muon:
                state["step"] = torch.tensor(float(n_steps))
            self._of(weight).state[weight] = state
        return None

    def _parts(self, weight: Tensor) -> tuple[str, ...]:
        return _OF_MUON if id(weight) in self._by_muon else _OF_ADAMW

    def _of(self, weight: Tensor) -> torch.optim.Optimizer:
        return self._all[0 if id(weight) in self._by_muon else -1]
