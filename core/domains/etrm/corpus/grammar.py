"""The grammar of texts about energy trading: trades, positions, risk notes, compliance notes and market comments.

It draws the facts itself, each by a stated law, so that the probability of a whole document is known exactly; the texts
beside a data set (`core.domains.etrm.data.texts`) take their facts from rows.
"""

from functools import lru_cache

from core.domains.etrm.corpus import calibration as odds
from core.domains.etrm.data import calibration as cal
from core.domains.grammar import (
    DayLaw,
    DocumentFacts,
    DocumentGrammar,
    FactLaw,
    LognormalLaw,
    NamesInTexts,
    SerialLaw,
    TableLaw,
    WordedKind,
    WordingClause,
    one_of,
)

_HUBS = {hub.name: hub for hub in cal.HUBS.value}
_COMMODITIES = tuple(cal.COMMODITY_WEIGHTS.value)
_BOOKS = {book.name: book for book in cal.BOOKS.value}
_MONTHS = tuple(f"{month:02d}" for month in range(1, 13))
_QUARTERS = ("Q1", "Q2", "Q3", "Q4")
_DAY, _WHOLE, _CENTS = r"\d{4}-\d\d-\d\d", r"\d+", r"\d+\.\d\d"
_ONE_CENT = 0.01


@lru_cache(maxsize=8)
def etrm_grammar(names: NamesInTexts = NamesInTexts.ALL) -> DocumentGrammar:
    """Return the grammar.

    Args:
        names: Whether the counterparties are all, all but the held-out ones, or the held-out ones alone.

    >>> grammar = etrm_grammar()
    >>> drawn = next(grammar.documents(1, seed=1))
    >>> reading = grammar.read(drawn.text)
    >>> reading.facts == drawn.facts, round(reading.log_probability - drawn.log_probability, 12)
    (True, 0.0)
    """
    makers = {"trade": _trade, "position": _position, "risk": _risk, "compliance": _compliance, "market": _market}
    return DocumentGrammar(
        [
            WordedKind(kind, share, *makers[kind](names))  # the shares of the documents beside a data set
            for kind, share in cal.DOCUMENT_SHARES.value.items()
        ]
    )


_Parts = tuple[tuple[WordingClause, ...], tuple[FactLaw, ...]]


def _trade(names: NamesInTexts) -> _Parts:
    clauses = (
        _said("Trade {trade_id}: ", "Capture of {trade_id}: ", "Booked {trade_id}: "),
        _said("{side} {quantity_lots} lots", "we {side} {quantity_lots} lots"),
        _said(" of {commodity} at {hub}", " of {commodity}, hub {hub}"),
        _said(" for delivery {delivery}", ", delivered {delivery}", " with delivery {delivery}"),
        _said(" at {price} {currency}/{unit}", ", priced {price} {currency}/{unit}"),
        _said(" with {counterparty_id}", ", counterparty {counterparty_id}", " against {counterparty_id}"),
        _said("", ", through {broker}"),
        _said("; {settlement} settlement", ", settled {settlement}", ""),
        _said("."),
    )
    facts = (
        _serial(),
        FactLaw("side", "buy|sell", lambda _: _SIDES),
        FactLaw("commodity", one_of(_COMMODITIES), lambda _: _COMMODITY),
        FactLaw("hub", one_of(tuple(_HUBS)), lambda facts: _hub_of_commodity(facts["commodity"]), ("commodity",)),
        FactLaw("quantity_lots", _WHOLE, lambda facts: _lots(facts["commodity"]), ("commodity",)),
        FactLaw("delivery", r"\d{4}(?:-(?:\d\d|Q\d))?", lambda _: _delivery()),
        *_price_facts(),
        _counterparty(names),
        FactLaw("broker", r"BRK-\d\d", lambda _: _BROKER),
        FactLaw("settlement", "physical|cash", lambda _: _SETTLEMENT),
    )
    return clauses, facts


def _position(_: NamesInTexts) -> _Parts:
    clauses = (
        _said("Position {as_of_date}: ", "At the close of {as_of_date}: ", "As of {as_of_date}, "),
        _said(
            "{book} is {direction} {net_quantity_units} {unit}",
            "book {book} stands {direction} {net_quantity_units} {unit}",
        ),
        _said(" of {hub} for {delivery}", " at {hub}, delivery {delivery}"),
        _said(", marked at {price} {currency}/{unit}", "; the mark is {price} {currency}/{unit}"),
        _said(", a {result} of {mtm} EUR", "; MtM {result} {mtm} EUR", ""),
        _said("."),
    )
    units, sd, largest = odds.NET_UNITS.value
    median_mtm, sd_mtm, largest_mtm = odds.MTM_EUR.value
    net = LognormalLaw(median=units, sd=sd, decimals=0, least=1, most=largest)
    mtm = LognormalLaw(median=median_mtm, sd=sd_mtm, decimals=0, least=1, most=largest_mtm)
    facts = (
        _day("as_of_date"),
        FactLaw("book", one_of(tuple(_BOOKS)), lambda _: _BOOK),
        FactLaw("direction", "long|short", lambda _: _DIRECTION),
        FactLaw("net_quantity_units", _WHOLE, lambda _: net),
        FactLaw("hub", one_of(tuple(_HUBS)), lambda facts: _hub_of_book(facts["book"]), ("book",)),
        FactLaw("delivery", r"\d{4}-\d\d", lambda _: _MONTH),
        *_price_facts(),
        FactLaw("result", "gain|loss", lambda _: _RESULT),
        FactLaw("mtm", _WHOLE, lambda _: mtm),
    )
    return clauses, facts


def _risk(_: NamesInTexts) -> _Parts:
    clauses = (
        _said("Risk note {as_of_date}: ", "Daily risk, {as_of_date}: ", "{as_of_date}: "),
        _said("VaR 99 of {book} is {var99_hist} EUR", "{book} has a 99 % VaR of {var99_hist} EUR"),
        _said(" against a limit of {limit_var} EUR", ", limit {limit_var} EUR"),
        _said(", {verdict} the limit", " - {verdict} limit"),
        _said(", driven by {hub}", ""),
        _said("; {action}.", ". Action: {action}.", "."),
    )
    facts = (
        _day("as_of_date"),
        FactLaw("book", one_of(tuple(_BOOKS)), lambda _: _BOOK),
        FactLaw("limit_var", r"\d+000", lambda facts: _limit(facts["book"]), ("book",)),
        FactLaw("var99_hist", r"\d+00", lambda facts: _var(facts["book"]), ("book",)),
        FactLaw("verdict", "within|above", _verdict, ("var99_hist", "limit_var")),
        FactLaw("hub", one_of(tuple(_HUBS)), lambda facts: _hub_of_book(facts["book"]), ("book",)),
        FactLaw("action", r"[a-z ]+", lambda facts: _ACTION[facts["verdict"]], ("verdict",)),
    )
    return clauses, facts


def _compliance(names: NamesInTexts) -> _Parts:
    clauses = (
        _said("Compliance, {regime}: ", "Under {regime}: ", "{regime} check: "),
        _said(
            "trade {trade_id} with {counterparty_id} is {status}",
            "{trade_id}, counterparty {counterparty_id}, stands as {status}",
        ),
        _said(", findings: {flag}", "; found {flag}", " ({flag})"),
        _said(", due {due}", ""),
        _said("."),
    )
    facts = (
        FactLaw("regime", one_of(tuple(odds.REGIMES.value)), lambda _: _REGIME),
        _serial(),
        _counterparty(names),
        FactLaw("status", one_of(tuple(odds.STATUSES.value)), lambda _: _STATUS),
        FactLaw("flag", r"[a-z -]+", lambda facts: _FLAG[facts["status"]], ("status",)),
        _day("due"),
    )
    return clauses, facts


def _market(_: NamesInTexts) -> _Parts:
    clauses = (
        _said("Market comment {date}: ", "{date}, market: ", "On {date} "),
        _said("{hub} spot was {move}", "the {hub} spot price went {move}"),
        _said(" {change} at {price} {currency}/{unit}", " by {change}, to {price} {currency}/{unit}"),
        _said("", " on {reason}"),
        _said("."),
    )
    facts = (
        _day("date"),
        FactLaw("hub", one_of(tuple(_HUBS)), lambda _: _ANY_HUB),
        FactLaw("move", "up|down|unchanged", lambda _: _MOVE),
        FactLaw("change", _CENTS, lambda facts: _change(facts["move"], facts["hub"]), ("move", "hub")),
        *_price_facts(),
        FactLaw("reason", r"[a-z ]+", lambda facts: _REASON[facts["move"]], ("move",)),
    )
    return clauses, facts


def _said(*wordings: str) -> WordingClause:
    known = {1: (1.0,), 2: odds.ODDS_OF_TWO.value, 3: odds.ODDS_OF_THREE.value}
    return WordingClause(wordings, known[len(wordings)])


def _serial() -> FactLaw:
    n_digits = odds.SERIAL_DIGITS.value
    law = SerialLaw("T", n_digits)
    return FactLaw("trade_id", rf"T\d{{{n_digits}}}", lambda _: law)


def _day(name: str) -> FactLaw:
    return FactLaw(name, _DAY, lambda _: _DAYS)


def _counterparty(names: NamesInTexts) -> FactLaw:
    law = _counterparty_law(names)
    return FactLaw("counterparty_id", r"CP-\d{4}", lambda _: law)


def _price_facts() -> tuple[FactLaw, ...]:
    """Return the price, and what its hub alone decides: the currency and the unit."""
    return (
        FactLaw("price", _CENTS, lambda facts: _price(facts["hub"]), ("hub",)),
        FactLaw("currency", "EUR|USD", lambda facts: _only(_HUBS[facts["hub"]].currency), ("hub",)),
        FactLaw("unit", "[A-Za-z]+", lambda facts: _only(_unit(facts["hub"])), ("hub",)),
    )


def held_out_counterparties() -> frozenset[str]:
    """Return the counterparties that the documents with known names never hold."""
    every, first = odds.HELD_OUT_EVERY.value
    return frozenset(f"CP-{rank:04d}" for rank in range(first, cal.COUNTERPARTIES.value + 1, every))


@lru_cache(maxsize=4)
def _counterparty_law(names: NamesInTexts) -> TableLaw:
    held_out = held_out_counterparties()
    weights = {
        f"CP-{rank:04d}": rank**-cal.COUNTERPARTY_EXPONENT.value for rank in range(1, cal.COUNTERPARTIES.value + 1)
    }
    if names is NamesInTexts.ALL:
        return TableLaw(weights)
    return TableLaw(
        {name: weight for name, weight in weights.items() if (name in held_out) is (names is NamesInTexts.HELD_OUT)}
    )


_SIDES = TableLaw({"buy": 1.0, "sell": 1.0})
_COMMODITY = TableLaw(cal.COMMODITY_WEIGHTS.value)
_BOOK = TableLaw({book.name: book.weight for book in cal.BOOKS.value})
_ANY_HUB = TableLaw({hub.name: cal.COMMODITY_WEIGHTS.value[hub.commodity] * hub.weight for hub in cal.HUBS.value})
_BROKER = TableLaw({f"BRK-{number:02d}": 1.0 for number in range(1, cal.BROKERS.value[0] + 1)})
_SETTLEMENT = TableLaw({"physical": 0.6, "cash": 0.4})
_DAYS = DayLaw(odds.YEARS.value)
_MONTH = TableLaw({f"{year}-{month}": weight for year, weight in odds.YEARS.value.items() for month in _MONTHS})
_DIRECTION = TableLaw(odds.DIRECTIONS.value)
_RESULT = TableLaw(odds.RESULTS.value)
_REGIME = TableLaw(odds.REGIMES.value)
_STATUS = TableLaw(odds.STATUSES.value)
_MOVE = TableLaw(odds.MOVES.value)
_ACTION = {verdict: TableLaw(weights) for verdict, weights in odds.ACTIONS.value.items()}
_FLAG = {status: TableLaw(weights) for status, weights in odds.FINDINGS.value.items()}
_REASON = {move: TableLaw(weights) for move, weights in odds.REASONS.value.items()}


@lru_cache(maxsize=64)
def _only(text: str) -> TableLaw:
    return TableLaw({text: 1.0})


@lru_cache(maxsize=64)
def _hub_of_commodity(commodity: str) -> TableLaw:
    return TableLaw({hub.name: hub.weight for hub in cal.HUBS.value if hub.commodity == commodity})


@lru_cache(maxsize=64)
def _hub_of_book(book: str) -> TableLaw:
    traded = _BOOKS[book].commodities
    weights = cal.COMMODITY_WEIGHTS.value
    return TableLaw(
        {hub.name: weights[hub.commodity] * hub.weight for hub in cal.HUBS.value if hub.commodity in traded}
    )


@lru_cache(maxsize=1)
def _delivery() -> TableLaw:
    shares, found = cal.DELIVERY_SHARES.value, dict[str, float]()
    for year, weight in odds.YEARS.value.items():
        found |= {f"{year}-{month}": weight * shares["month"] / len(_MONTHS) for month in _MONTHS}
        found |= {f"{year}-{quarter}": weight * shares["quarter"] / len(_QUARTERS) for quarter in _QUARTERS}
        found[year] = weight * shares["year"]
    return TableLaw(found)


@lru_cache(maxsize=64)
def _lots(commodity: str) -> LognormalLaw:
    median, most = cal.LOTS.value[commodity]
    return LognormalLaw(median=median, sd=cal.LOTS_SD.value, decimals=0, least=1, most=most)


def _unit(hub: str) -> str:
    return cal.CONTRACTS.value[_HUBS[hub].commodity].unit


@lru_cache(maxsize=64)
def _price(hub: str) -> LognormalLaw:
    level, sd = _HUBS[hub].level, odds.PRICE_SD.value[_HUBS[hub].commodity]
    low, high = odds.PRICE_LIMITS.value
    return LognormalLaw(median=level, sd=sd, decimals=2, least=low * level, most=high * level)


@lru_cache(maxsize=128)
def _change(move: str, hub: str) -> TableLaw | LognormalLaw:
    if move == "unchanged":
        return _only("0.00")
    share, sd = odds.CHANGE.value
    level = _HUBS[hub].level
    return LognormalLaw(median=share * level, sd=sd, decimals=2, least=_ONE_CENT, most=level)


@lru_cache(maxsize=64)
def _limit(book: str) -> TableLaw:
    return TableLaw(
        {f"{limit}": weight for limit, weight in zip(odds.BOOK_LIMITS.value[book], odds.LIMIT_ODDS.value, strict=True)}
    )


@lru_cache(maxsize=64)
def _var(book: str) -> LognormalLaw:
    share, sd = odds.VAR_OF_LIMIT.value
    least, most = odds.VAR_LIMITS.value
    median = share * odds.BOOK_LIMITS.value[book][0]
    return LognormalLaw(median=median, sd=sd, decimals=-2, least=least, most=most)


def _verdict(facts: DocumentFacts) -> TableLaw:
    return _only("above" if int(facts["var99_hist"]) > int(facts["limit_var"]) else "within")
