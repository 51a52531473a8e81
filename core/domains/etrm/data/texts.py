"""The texts: documents about the rows of the other files, worded by a grammar whose odds are known.

A document's facts are those of its row. Its wording is a sequence of choices, each with stated odds, and each string
has one derivation: `read_document` finds it, so the probability of a wording is known exactly.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import NamedTuple

import numpy as np

from core.domains.etrm.data import calibration as cal

Facts = Mapping[str, str]


class WordingChoice(NamedTuple):
    """One of several wordings, each with its odds; a wording may hold facts in braces, and may be empty."""

    wordings: tuple[str, ...]
    odds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """What a document says.

    Attributes:
        number: Its identifier.
        kind: Its kind.
        form: Its form, one of `FORMS`.
        facts: Its facts, as written.
        log_probability: The log of the probability of its wording, given kind and facts.
    """

    number: str
    kind: str
    form: str
    facts: Facts
    log_probability: float


DOCUMENT_KINDS = tuple(cal.DOCUMENT_SHARES.value)
OF_OPTION = "_option"
FORMS: Mapping[str, str] = {
    form: kind
    for kind in DOCUMENT_KINDS
    for form in ((kind, kind + OF_OPTION) if kind in ("trade", "position") else (kind,))
}
"""The kind of each form of document: a trade or position in an option is told in a form of its own."""
_PATTERNS = {
    "trade_id": r"T\d{9}",
    "side": "buy|sell",
    "direction": "long|short|flat",
    "verdict": "within|above",
    "move": "up|down|unchanged",
    "commodity": "[A-Z_0-9]+",
    "hub": "[A-Z_]+",
    "book": "[A-Z_]+",
    "counterparty_id": r"CP-\d{4}",
    "currency": "[A-Z]{3}",
    "unit": "[A-Za-z]+",
    "regime": "[a-z0-9-]+",
    "status": "[a-z_]+",
    "flag": "[a-z_+]+",
    "settlement": "physical|cash",
    "option_type": "call|put",
}
_DATE, _NUMBER = r"\d{4}-\d\d-\d\d", r"-?\d+(?:\.\d+)?"
_DATES = ("delivery_start", "delivery_end", "as_of_date", "delivery_month", "date", "trade_date")
_FACT = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=1)
def grammar() -> Mapping[str, tuple[WordingChoice, ...]]:
    """Return the choices of each form of document, in the order in which they are made."""
    odds = cal.WORDING_ODDS.value
    found: dict[str, tuple[WordingChoice, ...]] = {}
    for form, parts in _WORDINGS.items():
        choices = []
        for part in parts:
            wordings = (part,) if isinstance(part, str) else part
            choices.append(WordingChoice(wordings, odds[len(wordings)]))
        found[form] = tuple(choices)
    return found


_TRADE = ("Trade {trade_id} ({status}): ", "Capture of {trade_id}, {status}: ", "{trade_id} is {status}: ")
_LOTS = ("{side} {quantity_lots} lots", "we {side} {quantity_lots} lots")
_DELIVERY = (
    " for delivery from {delivery_start} to {delivery_end}",
    ", delivered {delivery_start} to {delivery_end}",
    " with delivery {delivery_start} until {delivery_end}",
)
_PARTNER = (" with {counterparty_id}", ", counterparty {counterparty_id}", " against {counterparty_id}")
_SETTLEMENT = (". Settlement is {settlement}.", "; {settlement} settlement.")
_STRIKE = (", strike {strike}", " struck at {strike}")
_AS_OF = ("Position of {as_of_date}: ", "At the close of {as_of_date}: ", "As of {as_of_date}, ")
_HOLDS = (
    "{book} is {direction} {net_quantity_units} {unit}",
    "book {book} stands {direction} {net_quantity_units} {unit}",
)
_WORTH = (", mark-to-market {mtm} EUR.", ", worth {mtm} EUR against cost.", "; MtM {mtm} EUR.")

_WORDINGS: Mapping[str, tuple[str | tuple[str, ...], ...]] = {
    "trade": (
        _TRADE,
        _LOTS,
        (" of {commodity} at {hub}", " of {commodity}, hub {hub}"),
        _DELIVERY,
        (" at {price} {currency}/{unit}", ", priced {price} {currency}/{unit}"),
        _PARTNER,
        _SETTLEMENT,
    ),
    "trade_option": (
        _TRADE,
        _LOTS,
        (" of a {option_type} on {commodity} at {hub}", " of a {commodity} {option_type}, hub {hub}"),
        _STRIKE,
        _DELIVERY,
        (" for a premium of {price} {currency}/{unit}", ", premium {price} {currency}/{unit}"),
        _PARTNER,
        _SETTLEMENT,
    ),
    "position": (
        _AS_OF,
        _HOLDS,
        (" of {hub} for {delivery_month}", " at {hub}, delivery {delivery_month}"),
        (", marked at {mark_price} {currency}", "; the mark is {mark_price} {currency}"),
        _WORTH,
    ),
    "position_option": (
        _AS_OF,
        _HOLDS,
        (" of a {hub} {option_type} for {delivery_month}", " in the {option_type} at {hub}, delivery {delivery_month}"),
        _STRIKE,
        (", premium marked at {mark_price} {currency}", "; the mark of its premium is {mark_price} {currency}"),
        _WORTH,
    ),
    "risk": (
        ("Risk note {as_of_date}: ", "Daily risk, {as_of_date}: ", "{as_of_date}: "),
        ("VaR 99 of {book} is {var99_hist} EUR", "{book} has a 99 % VaR of {var99_hist} EUR"),
        (" against a limit of {limit_var} EUR", ", limit {limit_var} EUR"),
        ("; utilisation {utilisation}", ", used {utilisation}"),
        (", {verdict} the limits.", " - {verdict} limits."),
    ),
    "compliance": (
        ("Compliance, {regime}: ", "Under {regime}: ", "{regime} check: "),
        ("trade {trade_id} is {status}", "{trade_id} stands as {status}"),
        (", findings: {flag}.", "; found {flag}.", " ({flag})."),
    ),
    "market": (
        ("Market comment {date}: ", "{date}, market: ", "On {date} "),
        ("{hub} spot was {move}", "the {hub} spot price went {move}"),
        (" {change} at {price} {currency}/{unit}.", " by {change}, to {price} {currency}/{unit}."),
    ),
}


def form_of(kind: str, facts: Facts) -> str:
    """Return the form of a document with these facts."""
    return kind + OF_OPTION if "option_type" in facts else kind


def write_document(number: str, kind: str, facts: Facts, uniform: Sequence[float]) -> str:
    """Word a document.

    Args:
        number: Its identifier.
        kind: One of `DOCUMENT_KINDS`.
        facts: What the wordings of the kind name.
        uniform: A uniform draw for each choice of the form.
    """
    parts = []
    for choice, draw in zip(grammar()[form_of(kind, facts)], uniform, strict=True):
        chosen = int(np.searchsorted(np.cumsum(choice.odds)[:-1], draw, side="right"))
        parts.append(choice.wordings[chosen].format_map(dict(facts)))
    return f"{number} {''.join(parts)}"


def read_document(line: str) -> DocumentReading | None:
    """Return what a document says, and how probable its wording is; None if the grammar has no such document."""
    for form, kind in FORMS.items():
        if (match := _pattern(form).fullmatch(line)) is None:
            continue
        facts: dict[str, str] = {}
        probability = 0.0
        for place, choice in enumerate(grammar()[form]):
            for number, wording in enumerate(choice.wordings):
                if match[f"c{place}_{number}"] is None:
                    continue
                probability += log(choice.odds[number])
                for name in _FACT.findall(wording):
                    facts[name] = match[f"f{place}_{number}_{name}"]
        return DocumentReading(match["number"], kind, form, facts, probability)
    return None


@lru_cache(maxsize=16)
def _pattern(form: str) -> re.Pattern[str]:
    parts = [r"(?P<number>SYN-\d{6}) "]
    for place, choice in enumerate(grammar()[form]):
        wordings = []
        for number, wording in enumerate(choice.wordings):
            pieces = re.split(r"(\{\w+\})", wording)
            inner = "".join(
                f"(?P<f{place}_{number}_{piece[1:-1]}>{_of_fact(piece[1:-1])})"
                if piece.startswith("{")
                else re.escape(piece)
                for piece in pieces
            )
            wordings.append(f"(?P<c{place}_{number}>{inner})")
        parts.append(f"(?:{'|'.join(wordings)})")
    return re.compile("".join(parts))


def _of_fact(name: str) -> str:
    return _DATE if name in _DATES else _PATTERNS.get(name, _NUMBER)
