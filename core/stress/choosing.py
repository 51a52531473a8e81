"""What a stress test is made of: the domain's engine, the scenarios that a person names, and the portfolio."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from core.domains.domain import DrawRequest
from core.domains.registry import find_domain, session_domain
from core.domains.stress import (
    SEVERITIES,
    LabelStressEngine,
    StressedDomain,
    StressedPortfolio,
    StressEngine,
    StressScenario,
)
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.seeds import derive_seed
from core.stress.scenario_file import read_scenarios
from core.tables import ReadingRules, read_table

DRAWN_ROWS: Final = 3_000
MOST_ROWS: Final = 2_000_000


def stress_engine(domain: str) -> StressEngine:
    """Return the engine of a domain.

    Raises:
        UnknownPluginError: There is no such domain.
        UsageError: It has no stress tests.
    """
    found = find_domain(domain)
    if not isinstance(found, StressedDomain):
        raise UsageError(f"The domain {domain!r} has no stress tests (core/domains/stress.py says what they need).")
    module, _, attribute = found.stress.partition(":")
    return cast(StressEngine, getattr(import_module(module), attribute))


def label_engine(domain: str, engine: StressEngine) -> LabelStressEngine:
    """Return the engine of a domain that draws labels under stress.

    Raises:
        UsageError: The domain does not.
    """
    if not isinstance(engine, LabelStressEngine):
        raise UsageError(f"The domain {domain!r} draws no labels under stress, so that its models cannot be stressed.")
    return engine


def all_scenarios(engine: StressEngine, files: Sequence[Path] = ()) -> tuple[StressScenario, ...]:
    """Return the scenarios of a domain, and of files after them.

    Raises:
        SettingsError: A file has a fault.
        UsageError: Two files name the same scenario.
    """
    found = {scenario.name: scenario for scenario in engine.scenarios}
    for path in files:
        for scenario in read_scenarios(path, engine):
            if scenario.name in found:
                raise UsageError(f"{path}: {scenario.name} is also in another file: choose another name.")
            found[scenario.name] = scenario
    return tuple(found.values())


def chosen_scenarios(known: Sequence[StressScenario], names: Sequence[str]) -> tuple[StressScenario, ...]:
    """Return the scenarios with these names, or of these families; without a name, all.

    Raises:
        NotFoundError: There is no scenario or family of a name.
    """
    if not names:
        return tuple(known)
    found: dict[str, StressScenario] = {}
    for name in names:
        matched = [each for each in known if each.name == name] or [each for each in known if each.family == name]
        if not matched:
            choices = ", ".join(dict.fromkeys(word for each in known for word in (each.family, each.name)))
            raise NotFoundError(f"There is no scenario {shown(name)}; choose from {choices}.")
        found |= {each.name: each for each in matched}
    return tuple(found.values())


def chosen_severities(names: Iterable[str]) -> tuple[str, ...]:
    """Return these severities, the mildest first; without a name, all.

    Raises:
        UsageError: There is no such severity.

    >>> chosen_severities(["severe", "mild"])
    ('mild', 'severe')
    """
    wanted = tuple(names) or SEVERITIES
    for name in wanted:
        if name not in SEVERITIES:
            raise UsageError(f"{shown(name)} is no severity; choose from {', '.join(SEVERITIES)}.")
    return tuple(severity for severity in SEVERITIES if severity in wanted)


def portfolio_of_file(engine: StressEngine, path: Path, rules: ReadingRules | None = None) -> StressedPortfolio:
    """Read positions from a CSV, Parquet or JSON lines file.

    Raises:
        TableError: The file cannot be used; file, place, value and fix are named.
    """
    return engine.portfolio(read_table(path, rules=rules))


def drawn_portfolio(
    domain: str, engine: StressEngine, *, n_rows: int = DRAWN_ROWS, seed: int = 42
) -> StressedPortfolio:
    """Take a panel that the domain draws as the portfolio.

    Raises:
        UsageError: The number of rows is out of range, or the domain draws no data.
    """
    request = drawn_request(domain, n_rows=n_rows, seed=seed)
    return engine.drawn_portfolio(session_domain(domain).draw(request).frame)


def drawn_request(domain: str, *, n_rows: int, seed: int) -> DrawRequest:
    """Return the request for the panel of a stress test: groups of its own, on the market of a session of this seed.

    Raises:
        UsageError: The number of rows is out of range, or the domain draws no data.
    """
    if not 1 <= n_rows <= MOST_ROWS:
        raise UsageError(f"rows is {n_rows:,}: it must be from 1 to {MOST_ROWS:,}.")
    return DrawRequest("draw", n_rows, derive_seed(seed, "stress panel"), seed, session_domain(domain).settings())
