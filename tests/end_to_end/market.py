"""Flats and what they cost: the world that models learn from, and that requests come from."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

DISTRICTS = ("north", "south", "west")
_PER_SQUARE_METRE = {"north": 9.0, "south": 11.0, "west": 14.0}
_COLUMNS = ("area", "floor", "district", "rent")


class Flat(NamedTuple):
    """What is asked, and what turns out to be true."""

    row: dict[str, Any]
    rent: float

    @property
    def body(self) -> bytes:
        return json.dumps({"row": self.row}).encode()


def flats(n: int, *, seed: int, dearer: float = 1.0, districts: Sequence[str] = DISTRICTS) -> list[Flat]:
    """Draw flats; in a market that is dearer all rents are higher by this factor."""
    dice = random.Random(seed)
    found = []
    for _ in range(n):
        row = {"area": round(dice.uniform(20, 120), 1), "floor": dice.randrange(8), "district": dice.choice(districts)}
        rent = 200 + _PER_SQUARE_METRE[row["district"]] * row["area"] + 10 * row["floor"] + dice.gauss(0, 30)
        found.append(Flat(row, round(dearer * rent, 1)))
    return found


def write_csv(file: Path, flats: Sequence[Flat]) -> Path:
    lines = [",".join(map(str, (*flat.row.values(), flat.rent))) for flat in flats]
    file.write_text("\n".join([",".join(_COLUMNS), *lines]) + "\n")
    return file
