"""Other spellings of settings, which users bring along: each is read as the canonical spelling, which all output shows.

A policy may stand at the top of a file, without the line `policy:`.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from core.escape import shown
from core.log_level import level_name
from core.settings.errors import SettingsError
from core.settings.ports import spell_ports
from core.settings.source import KeyPath, YamlSource

POLICY_SECTIONS = ("drift", "canary", "promotion", "retraining", "tracking", "overrides")
# `retention` itself is what the engine deletes
_KEPT_VERSIONS = tuple(
    f"keep_{stage}{rule}" for stage in ("development", "staging", "archived") for rule in ("", "_days")
)
_OF_A_MODEL: dict[KeyPath, KeyPath] = {
    ("drift", "feature_drift_threshold"): ("drift", "feature"),
    ("drift", "target_drift_threshold"): ("drift", "target"),
    ("drift", "residual_drift_threshold"): ("drift", "residual"),
    ("canary", "initial_canary_percentage"): ("canary", "initial_share"),
    ("canary", "max_canary_percentage"): ("canary", "max_share"),
}
_KEYS: dict[KeyPath, KeyPath] = {
    ("improvement_patience",): ("patience",),
    **{(section,): ("policy", section) for section in POLICY_SECTIONS},
    # `retention` alone is the block of what the engine deletes
    **{
        ("retention", key): ("policy", "retention", key)
        for key in ("keep_development", "keep_staging", "keep_archived")
    },
}
_VALUES: dict[KeyPath, Mapping[Any, Any]] = {
    ("advanced", "selection_method"): {"mutual_info": "mutual_information"},
}
_STRESS = "stress_testing"
_LIST = "model_config_list"
_MASTER = "enable_stress_testing"


def canonical(source: YamlSource) -> YamlSource:
    """Return a file with every key and value in its canonical spelling; each keeps its line and column.

    Raises:
        SettingsError: The file has two spellings of one setting, which is ambiguous, or a value in place of a block.
    """
    source = YamlSource(source.file, copy.deepcopy(source.values), dict(source.lines), dict(source.columns))
    spell_ports(source, _move)
    _read_model_config_list(source)
    for old, new in _KEYS.items():
        _move(source, old, new)
    for prefix in _policies(source.values):
        for old, new in _OF_A_MODEL.items():
            _move(source, (*prefix, *old), (*prefix, *new))
    for path, values in _VALUES.items():
        block = _at(source.values, path[:-1])
        value = block.get(path[-1]) if isinstance(block, dict) else None
        if isinstance(value, str) and value in values:
            block[path[-1]] = values[value]
    _spell_level(source)
    _turn_on_stress_testing(source)
    return source


def _policies(values: Mapping[str, Any]) -> Iterator[KeyPath]:
    """Yield where the rules for models are: for all models, and for the models of each override."""
    yield ("policy",)
    overrides = _at(values, ("policy", "overrides"))
    if isinstance(overrides, dict):
        for pattern in overrides:
            yield ("policy", "overrides", pattern)


def _move(source: YamlSource, old: KeyPath, new: KeyPath) -> None:
    """Move a key to its canonical place, with its lines."""
    block = _at(source.values, old[:-1])
    if not isinstance(block, dict) or old[-1] not in block:
        return
    target: Any = source.values
    for depth, name in enumerate(new[:-1], start=1):
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            problem = f"{'.'.join(new[:depth])} is {shown(target)}: expected a block of settings"
            raise SettingsError(source.file, problem, **source.place_of(new[:depth]))
    if new[-1] in target:
        raise SettingsError(
            source.file,
            f"{'.'.join(old)} and {'.'.join(new)} are the same setting: keep {'.'.join(new)} and remove the other",
            **source.place_of(old),
        )
    target[new[-1]] = block.pop(old[-1])
    for places in (source.lines, source.columns):
        for path in [path for path in places if path[: len(old)] == old]:
            places[(*new, *path[len(old) :])] = places.pop(path)


def _read_model_config_list(source: YamlSource) -> None:
    """Read TensorFlow Serving's list of what to serve, at the top of a file or in the block `serving`."""
    for path in ((_LIST,), ("serving", _LIST)):
        block = _at(source.values, path[:-1])
        if isinstance(block, dict) and _LIST in block:
            from core.settings.model_config_list import models_of_values

            block[_LIST] = models_of_values(source.file, block[_LIST], source.place_of(path))
            _move(source, path, ("serving", "models"))


def _spell_level(source: YamlSource) -> None:
    """Read the level of the logs as other programs spell it, such as DEBUG or WARN."""
    block = source.values.get("logging")
    if isinstance(block, dict) and isinstance(level := block.get("level"), str):
        block["level"] = level_name(level) or level


def _turn_on_stress_testing(source: YamlSource) -> None:
    """Read an enabled scenario without the master switch as what it means: stress testing is on."""
    block = source.values.get(_STRESS)
    if not isinstance(block, dict) or _MASTER in block:
        return
    enabled = next((key for key, value in block.items() if key.startswith("enable_") and value is True), None)
    if enabled is not None:
        block[_MASTER] = True
        for places in (source.lines, source.columns):
            if (_STRESS, enabled) in places:
                places[(_STRESS, _MASTER)] = places[(_STRESS, enabled)]


def _at(values: Any, path: KeyPath) -> Any:
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values
