"""Every law adds up to 1 over what it draws, and draws what it says."""

import math
from collections import Counter

import pytest

from core.domains.grammar import DayLaw, LognormalLaw, SerialLaw, TableLaw, TextLaw
from core.domains.grammar.uniform import UniformDraws

LAWS = {
    "table": (TableLaw({"a": 1.0, "bb": 2.0, "none": 0.0}), ["a", "bb", "none"]),
    "hundreds": (
        LognormalLaw(median=900.0, sd=0.4, decimals=-2, least=100, most=5_000),
        [f"{n}00" for n in range(60)],
    ),
    "whole": (LognormalLaw(median=4.0, sd=1.0, decimals=0, least=1, most=90), [str(n) for n in range(120)]),
    "cents": (
        LognormalLaw(median=0.3, sd=0.7, decimals=2, least=0.01, most=2.0),
        [f"{n // 100}.{n % 100:02d}" for n in range(300)],
    ),
    "serial": (SerialLaw("T", 2), [f"T{n:02d}" for n in range(100)]),
    "day": (
        DayLaw({"2025": 0.7, "2026": 0.3}),
        [f"{y}-{m:02d}-{d:02d}" for y in (2025, 2026, 2027) for m in range(1, 14) for d in range(1, 32)],
    ),
}


@pytest.mark.parametrize(("law", "texts"), LAWS.values(), ids=LAWS)
def test_a_law_adds_up_to_one(law: TextLaw, texts: list[str]):
    assert math.fsum(math.exp(law.log_probability(text)) for text in texts) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("law", "texts"), LAWS.values(), ids=LAWS)
def test_a_law_draws_what_it_says(law: TextLaw, texts: list[str]):
    n = 20_000
    uniform = UniformDraws(7, "laws")
    drawn = Counter(law.draw(uniform) for _ in range(n))
    assert set(drawn) <= set(texts)
    for text in texts:
        probability = math.exp(law.log_probability(text))
        spread = math.sqrt(n * probability * (1 - probability))
        assert abs(drawn[text] - n * probability) <= 5.5 * spread + 3


@pytest.mark.parametrize("text", ["", "05", "5.0", "+5", "5 ", "٥", "1e1", "91", "0"])
def test_a_number_that_is_written_otherwise_is_impossible(text):
    assert LAWS["whole"][0].log_probability(text) == -math.inf


def test_the_upper_tail_keeps_its_digits():
    law = LognormalLaw(median=1.0, sd=0.1, decimals=2, least=0.5, most=3.0)
    assert -160 < law.log_probability("2.50") < law.log_probability("2.49") < -30
