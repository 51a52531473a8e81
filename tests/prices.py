"""Prices that follow from two columns, and a workspace with two models that learned from them."""

from pathlib import Path

import numpy as np
import pandas as pd

from console.cli.main import main
from console.mlops.cli import main as mlops


def prices(seed: int, n: int = 400, *, shift: float = 0.0, dearer: float = 0.0) -> pd.DataFrame:
    """Draw rows.

    Args:
        seed: The random seed.
        n: How many.
        shift: By which every size is larger.
        dearer: By which every price is higher.
    """
    rng = np.random.default_rng(seed)
    size, grade = rng.normal(size=n) + shift, rng.choice(["A", "B"], n)
    price = 3 * size + (grade == "A") + rng.normal(0, 0.5, n) + dearer
    return pd.DataFrame({"size": size, "grade": grade, "price": price, "sold": np.where(price > 0, "yes", "no")})


def train_on_prices(folder: Path) -> None:
    """Train `pricing` and `sales` on files of a folder, in its workspace `ws`."""
    frame = prices(1, 600)
    frame.drop(columns="sold").to_csv(folder / "prices.csv", index=False)
    frame.drop(columns="price").to_csv(folder / "sales.csv", index=False)
    home = ["--workspace", str(folder / "ws")]
    assert main(["init", *home]) == 0
    assert mlops(["train", *home, "--model", "pricing", "--data", str(folder / "prices.csv"), "--target", "price"]) == 0
    assert mlops(["train", *home, "--model", "sales", "--data", str(folder / "sales.csv"), "--target", "sold"]) == 0
