"""The laws of the facts in a text: each draws a fact as it is written, and knows the probability of any text."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import NormalDist
from typing import Protocol

from core.domains.grammar.uniform import UniformDraws

_STANDARD = NormalDist()
_DAYS = 28  # of every month, so that each day has the same odds


class TextLaw(Protocol):
    """What a fact may say, and how probable each text is."""

    def draw(self, uniform: UniformDraws) -> str:
        """Draw a text."""

    def log_probability(self, text: str) -> float:
        """Return the log of the probability of a text; -inf if it cannot be drawn."""


class TableLaw:
    """Some texts, each with its odds.

    >>> law = TableLaw({"buy": 3.0, "sell": 1.0})
    >>> round(math.exp(law.log_probability("buy")), 2), law.log_probability("hold")
    (0.75, -inf)
    """

    def __init__(self, odds: Mapping[str, float]) -> None:
        """Take the odds; they need not add up to 1."""
        kept = {text: weight for text, weight in odds.items() if weight > 0}
        total = sum(kept.values())
        self._logs = {text: math.log(weight / total) for text, weight in kept.items()}
        self._texts = tuple(kept)
        self._edges = tuple(accumulate(weight / total for weight in kept.values()))

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that can be drawn."""
        return self._texts

    def draw(self, uniform: UniformDraws) -> str:
        """Draw a text."""
        return self._texts[uniform.place(self._edges)]

    def log_probability(self, text: str) -> float:
        """Return the log of the probability of a text."""
        return self._logs.get(text, -math.inf)


class LognormalLaw:
    """A lognormal number, rounded to some decimals, within limits, written in digits without a sign.

    >>> law = LognormalLaw(median=30.0, sd=0.5, decimals=1, least=0.1, most=100.0)
    >>> total = sum(math.exp(law.log_probability(f"{n // 10}.{n % 10}")) for n in range(1001))
    >>> round(total, 9), law.log_probability("030.0"), law.log_probability("100.1")
    (1.0, -inf, -inf)
    """

    def __init__(self, *, median: float, sd: float, decimals: int, least: float, most: float) -> None:
        """Take the law.

        Args:
            median: The median of the number before it is rounded.
            sd: The standard deviation of its log.
            decimals: How many decimals are written; -2 rounds to hundreds.
            least: The least number that is written, positive.
            most: The largest.
        """
        self._decimals = decimals
        self._unit = 10.0**decimals
        self._mean, self._sd = math.log(median), sd
        self._least, self._most = round(least * self._unit), round(most * self._unit)
        if not 1 <= self._least <= self._most:
            raise ValueError(f"least ({least}) and most ({most}) must be positive and in order")
        self._mass = self._between(self._least, self._most)
        self._zeros = "0" * -decimals
        self._pattern = re.compile(rf"[0-9]+\.[0-9]{{{decimals}}}" if decimals > 0 else rf"[0-9]+{self._zeros}")

    def draw(self, uniform: UniformDraws) -> str:
        """Draw a number."""
        low, high = (_STANDARD.cdf(self._score(edge)) for edge in (self._least - 0.5, self._most + 0.5))
        share = min(max(low + (high - low) * uniform.next(), 1e-300), 1 - 1e-16)
        whole = math.floor(math.exp(self._mean + self._sd * _STANDARD.inv_cdf(share)) * self._unit + 0.5)
        return self._spelled(min(max(whole, self._least), self._most))

    def log_probability(self, text: str) -> float:
        """Return the log of the probability that exactly this number is drawn."""
        if self._pattern.fullmatch(text) is None:
            return -math.inf
        whole = int(text.replace(".", "").removesuffix(self._zeros))
        if not self._least <= whole <= self._most or self._spelled(whole) != text:
            return -math.inf
        mass = self._between(whole, whole)
        return math.log(mass / self._mass) if mass > 0 else -math.inf

    def _spelled(self, whole: int) -> str:
        if self._decimals <= 0:
            return f"{whole}{self._zeros}"
        before, after = divmod(whole, 10**self._decimals)
        return f"{before}.{after:0{self._decimals}d}"

    def _score(self, units: float) -> float:
        return (math.log(units / self._unit) - self._mean) / self._sd

    def _between(self, first: int, last: int) -> float:
        """Return the probability of a range; in the upper tail as a difference of small numbers."""
        low, high = self._score(first - 0.5), self._score(last + 0.5)
        if low > 0:
            low, high = -high, -low
        return 0.5 * (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2)))


class SerialLaw:
    """A prefix and a number of so many digits, each digit with the same odds.

    >>> SerialLaw("T", 2).log_probability("T07") == -2 * math.log(10), SerialLaw("T", 2).log_probability("T7")
    (True, -inf)
    """

    def __init__(self, prefix: str, n_digits: int) -> None:
        """Take the prefix and the number of digits."""
        self._prefix, self._n_digits = prefix, n_digits
        self._pattern = re.compile(rf"{re.escape(prefix)}[0-9]{{{n_digits}}}")

    def draw(self, uniform: UniformDraws) -> str:
        """Draw a number."""
        return f"{self._prefix}{int(uniform.next() * 10**self._n_digits):0{self._n_digits}d}"

    def log_probability(self, text: str) -> float:
        """Return the log of the probability of a text."""
        return -self._n_digits * math.log(10) if self._pattern.fullmatch(text) else -math.inf


class DayLaw:
    """A day, such as 2026-03-14: its year by odds, every month and each of the days 1 to 28 alike.

    >>> DayLaw({"2026": 1.0}).log_probability("2026-02-28") == -math.log(12 * 28)
    True
    >>> DayLaw({"2026": 1.0}).log_probability("2026-02-29")
    -inf
    """

    def __init__(self, years: Mapping[str, float]) -> None:
        """Take the odds of the years, of four digits."""
        self._years = TableLaw(years)

    def draw(self, uniform: UniformDraws) -> str:
        """Draw a day."""
        year = self._years.draw(uniform)
        return f"{year}-{int(uniform.next() * 12) + 1:02d}-{int(uniform.next() * _DAYS) + 1:02d}"

    def log_probability(self, text: str) -> float:
        """Return the log of the probability of a text."""
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
            return -math.inf
        year, month, day = text.split("-")
        if not (1 <= int(month) <= 12 and 1 <= int(day) <= _DAYS):
            return -math.inf
        return self._years.log_probability(year) - math.log(12 * _DAYS)


def one_of(texts: Sequence[str]) -> str:
    """Return the pattern of some texts, the longest first: a shorter text may begin a longer one."""
    return "|".join(re.escape(text) for text in sorted(texts, key=lambda text: (-len(text), text)))
