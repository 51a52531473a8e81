"""A user's own scenarios in YAML: every fault with its line and column, all faults of a file at once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from core.domains.stress import SEVERITIES, StressEngine, StressScenario, StressStep
from core.errors import UsageError
from core.escape import shown
from core.json_documents import converted
from core.settings.errors import SettingsError
from core.settings.placed_yaml import PlacedYaml, YamlPath, read_placed
from core.settings.yaml_words import in_plain_words

MOST_SCENARIOS: Final = 200
MOST_STEPS: Final = 24
MOST_MONTHS: Final = 360
_KEYS: Final = ("title", "summary", "horizon_months", "half_life_months", "shocks", "combine", "sequence")
_STEP_KEYS: Final = ("month", "scenario", "shocks")
_WAYS: Final = ("shocks", "combine", "sequence")
CUSTOM: Final = "custom"
_RESERVED: Final = (CUSTOM, "all")


def read_scenarios(path: Path, engine: StressEngine) -> tuple[StressScenario, ...]:
    """Read a file of scenarios.

    Raises:
        SettingsError: It has a fault; the message names the first, with line and column, and how many more there are.
    """
    scenarios, faults = check_scenarios(path, engine)
    if not faults:
        return scenarios
    if len(faults) > 1:
        error = SettingsError(path, "")
        error.args = (f"{faults[0]} ({len(faults) - 1} more: bondx stress check {path.name} lists all)",)
        raise error
    raise faults[0]


def check_scenarios(path: Path, engine: StressEngine) -> tuple[tuple[StressScenario, ...], list[SettingsError]]:
    """Read a file of scenarios and collect its faults.

    Returns:
        The sound scenarios, and the faults in the order of the file.
    """
    try:
        reader = _Reader(read_placed(path), engine)
    except SettingsError as error:
        return (), [error]
    return reader.scenarios(), reader.faults


class _Reader:
    """One file while it is read; scenarios may refer to those above them, and to those of the domain."""

    def __init__(self, yaml: PlacedYaml, engine: StressEngine) -> None:
        self._yaml = yaml
        self._engine = engine
        self._known = {scenario.name: scenario for scenario in engine.scenarios}
        self._given = frozenset(self._known) | {scenario.family for scenario in engine.scenarios}
        self._told: set[YamlPath] = set()
        self._declared: frozenset[object] = frozenset()
        self.faults: list[SettingsError] = []

    def scenarios(self) -> tuple[StressScenario, ...]:
        top = self._mapping((), self._yaml.values, ("scenarios",), "a file of scenarios")
        given = top.get("scenarios")
        if not isinstance(given, dict) or not given:
            self._fault(("scenarios",), "scenarios must be a block of names, each with its shocks")
            return ()
        if len(given) > MOST_SCENARIOS:
            self._fault(("scenarios",), f"{len(given)} scenarios; a file has at most {MOST_SCENARIOS}")
            return ()
        self._declared = frozenset(given)
        found = []
        for name, block in given.items():
            scenario = self._scenario(name, block)
            if scenario is not None:
                self._known[name] = scenario
                found.append(scenario)
        return tuple(found)

    def _scenario(self, name: str, block: object) -> StressScenario | None:
        path: YamlPath = ("scenarios", name)
        n_faults = len(self.faults)
        if name in self._given:
            self._fault(path, f"{shown(name)} is a scenario of the domain: choose another name")
        if name in _RESERVED:
            self._fault(path, f"{shown(name)} is a word for several scenarios: choose another name")
        if not _is_name(name):
            self._fault(path, f"{shown(name)} is no name: small letters, digits and _ only, 60 at most")
        fields = self._mapping(path, block, _KEYS, "a scenario")
        ways = [way for way in _WAYS if way in fields]
        if len(ways) != 1:
            self._fault(path, f"{shown(name)} needs exactly one of {', '.join(_WAYS)}")
            return None
        horizon = self._months((*path, "horizon_months"), fields.get("horizon_months", 0))
        half_life = self._months((*path, "half_life_months"), fields.get("half_life_months", 0))
        if half_life and not horizon and ways[0] != "sequence":
            self._fault((*path, "half_life_months"), "half_life_months does nothing without horizon_months: add it")
        for key in ("title", "summary"):
            if not isinstance(fields.get(key), str | None):
                self._fault((*path, key), f"{key} must be text")
        steps = self._steps(path, fields, ways[0])
        if len(self.faults) > n_faults or not steps:
            return None
        if horizon and horizon < steps[-1].month:
            self._fault((*path, "horizon_months"), f"horizon_months is {horizon:g}, before the last step")
            return None
        return StressScenario(
            name=name,
            family=CUSTOM,
            title=str(fields.get("title") or name.replace("_", " ")),
            summary=str(fields.get("summary") or ""),
            steps=steps,
            horizon_months=horizon,
            half_life_months=half_life,
            sources=(self._yaml.place(path),),
        )

    def _steps(self, path: YamlPath, fields: Mapping[str, Any], way: str) -> tuple[StressStep, ...]:
        if way == "shocks":
            ladder = self._ladder((*path, way), fields[way])
            return () if ladder is None else (StressStep(0.0, ladder),)
        if way == "combine":
            return self._combined((*path, way), fields[way])
        return self._sequence((*path, way), fields[way])

    def _combined(self, path: YamlPath, given: object) -> tuple[StressStep, ...]:
        if not isinstance(given, list) or len(given) < 2:
            self._fault(path, "combine must be a list of two scenarios or more")
            return ()
        ladders = [self._ladder_of((*path, place), name) for place, name in enumerate(given)]
        if any(ladder is None for ladder in ladders):
            return ()
        return self._together(path, [ladder for ladder in ladders if ladder is not None])

    def _together(self, path: YamlPath, ladders: list[tuple[Any, Any, Any]]) -> tuple[StressStep, ...]:
        try:
            mild, moderate, severe = (
                self._engine.combined([ladder[place] for ladder in ladders]) for place in range(len(SEVERITIES))
            )
        except UsageError as error:
            self._fault(path, str(error))
            return ()
        return (StressStep(0.0, (mild, moderate, severe)),)

    def _sequence(self, path: YamlPath, given: object) -> tuple[StressStep, ...]:
        if not isinstance(given, list) or not given or len(given) > MOST_STEPS:
            self._fault(path, f"sequence must be a list of 1 to {MOST_STEPS} steps, each with its month")
            return ()
        steps: list[StressStep] = []
        for place, each in enumerate(given):
            here = (*path, place)
            fields = self._mapping(here, each, _STEP_KEYS, "a step")
            month = self._months((*here, "month"), fields.get("month", 0))
            if ("scenario" in fields) == ("shocks" in fields):
                self._fault(here, "a step needs exactly one of scenario, shocks")
                continue
            if "shocks" in fields:
                ladder = self._ladder((*here, "shocks"), fields["shocks"])
            else:
                ladder = self._ladder_of((*here, "scenario"), fields["scenario"])
            if ladder is None:
                continue
            if steps and month <= steps[-1].month:
                self._fault((*here, "month"), f"month is {month:g}: each step is later than the one before")
                continue
            steps.append(StressStep(month, ladder))
        return tuple(steps)

    def _ladder_of(self, path: YamlPath, name: object) -> tuple[Any, Any, Any] | None:
        scenario = self._known.get(name) if isinstance(name, str) else None
        if scenario is None and isinstance(name, str) and name in self._declared:
            self._fault(path, f"{shown(str(name))} has a fault of its own, or stands further below: put it above")
            return None
        if scenario is None:
            known = ", ".join(sorted(self._known))
            self._fault(path, f"{shown(str(name))} is no scenario known here; known: {known}")
            return None
        if len(scenario.steps) > 1:
            self._fault(path, f"{shown(scenario.name)} is a sequence: name scenarios of one blow")
            return None
        return scenario.steps[0].ladder

    def _ladder(self, path: YamlPath, given: object) -> tuple[Any, Any, Any] | None:
        """Read the shock at each severity; a field has one value for all, or a list of three."""
        kind = self._engine.shock
        n_faults = len(self.faults)
        fields = self._mapping(path, given, kind.__struct_fields__, "a shock")
        if not fields and len(self.faults) == n_faults:
            self._fault(path, f"no shock is named; the fields are {', '.join(kind.__struct_fields__)}")
        rungs: list[dict[str, Any]] = [{} for _ in SEVERITIES]
        for name, value in fields.items():
            if name in kind.__struct_fields__:
                self._spread_out((*path, name), name, value, rungs)
        mild, moderate, severe = (self._shock(path, rung, place) for place, rung in enumerate(rungs))
        if len(self.faults) > n_faults:
            return None
        return None if mild is None or moderate is None or severe is None else (mild, moderate, severe)

    def _spread_out(self, path: YamlPath, name: str, value: object, rungs: list[dict[str, Any]]) -> None:
        if isinstance(value, dict):
            for rung in rungs:
                rung[name] = {}
            for level, moved in value.items():
                inner: list[dict[str, Any]] = [{} for _ in SEVERITIES]
                self._spread_out((*path, level), level, moved, inner)
                for rung, part in zip(rungs, inner, strict=True):
                    rung[name] |= part
            return
        if isinstance(value, list):
            if len(value) != len(SEVERITIES):
                self._fault(path, f"{name} is a list of {len(value)}: give three values, {', '.join(SEVERITIES)}")
                return
            values = value
        else:
            values = [value] * len(SEVERITIES)
        for rung, each in zip(rungs, values, strict=True):
            rung[name] = each

    def _shock(self, path: YamlPath, fields: dict[str, Any], place: int) -> Any | None:
        try:
            return converted(fields, self._engine.shock)
        except msgspec.ValidationError as error:
            faulty = [keys for keys in _leaves(fields) if not self._is_sound(path, fields, keys, place)]
            if not faulty:  # each value is right, and together they are not
                self._tell(path, fields, (), str(error), place)
            return None

    def _is_sound(self, path: YamlPath, fields: dict[str, Any], keys: tuple[str, ...], place: int) -> bool:
        alone = _value_at(fields, keys)
        for key in reversed(keys):
            alone = {key: alone}
        try:
            converted(alone, self._engine.shock)
        except msgspec.ValidationError as error:
            self._tell(path, fields, keys, str(error), place)
            return False
        return True

    def _tell(self, path: YamlPath, fields: dict[str, Any], keys: tuple[str, ...], error: str, place: int) -> None:
        """Tell a fault of a shock once; a value out of range is so at every severity."""
        at = (*path, *keys)
        if at in self._told:
            return
        self._told.add(at)
        problem, names_place, _ = error.partition(" - at `")
        said = f"{'.'.join(keys)} is {shown(str(_value_at(fields, keys)))}: " if keys and names_place else ""
        self._fault(at, f"{said}{in_plain_words(problem)} (at {SEVERITIES[place]})")

    def _months(self, path: YamlPath, given: object) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= MOST_MONTHS:
            self._fault(path, f"{path[-1]} is {shown(str(given))}: it must be a number from 0 to {MOST_MONTHS}")
            return 0.0
        return float(given)

    def _mapping(self, path: YamlPath, given: object, keys: tuple[str, ...], what: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            self._fault(path, f"{what} must be a block of keys: {', '.join(keys)}")
            return {}
        for key in given:
            if key not in keys:
                self._fault((*path, key), f"{shown(key)} is no key of {what}; the keys are {', '.join(keys)}")
        return given

    def _fault(self, path: YamlPath, problem: str) -> None:
        self.faults.append(self._yaml.error(path, problem))


def _value_at(fields: Mapping[str, Any], keys: Sequence[str]) -> object:
    found: object = fields
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _leaves(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the way to each value within its blocks."""
    for key, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 60 and text.isascii() and text.replace("_", "a").isalnum() and text == text.lower()
