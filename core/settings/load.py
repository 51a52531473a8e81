"""From files to validated settings: the workspace's `bondx.yaml`, then what `--config` lays over it."""

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.settings.errors import SettingsError
from core.settings.settings import Settings
from core.settings.training import ModelSettings
from core.settings.yaml_source import KeyPath, YamlSource, read_yaml

_AT = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[A-Za-z0-9_]+)|\[(?P<index>\.\.\.|\d+)\]")


def load_settings(*files: Path) -> Settings:
    """Read settings files, each laid over the one before it, key by key.

    Raises:
        SettingsError: A file cannot be read, or holds an unknown key or a value out of its range.
    """
    merged: dict[str, Any] = {}
    for file in files:
        source = read_yaml(file)
        _refuse_unknown_keys(source, Settings, source.values, ())
        _convert(source)  # each file is judged by itself, so that the error names the file that is wrong
        merged = _overlay(merged, source.values)
    if not files:
        return Settings()
    return _convert(YamlSource(files[-1], merged, {}))


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        beneath = merged.get(key)
        # `models` names the whole set to train; anywhere else, a block changes only the keys it gives.
        is_block = isinstance(value, dict) and isinstance(beneath, dict) and key != "models"
        merged[key] = _overlay(beneath, value) if is_block else value  # type: ignore[arg-type]
    return merged


def _convert(source: YamlSource) -> Settings:
    _refuse_non_finite(source, source.values, ())
    try:
        return msgspec.convert(source.values, Settings)
    except msgspec.ValidationError as error:
        message = str(error)
        path, display = _path_of(message, source.values)
        problem = _AT.sub("", message).replace("`", "")
        problem = problem[:1].lower() + problem[1:]
        value = _look_up(source.values, path)
        found = "" if isinstance(value, dict) or not path else f" is {value!r}"
        name = display or "settings"
        raise SettingsError(source.file, f"{name}{found}: {problem}", line=source.line_of(path)) from None


def _refuse_non_finite(source: YamlSource, values: Mapping[str, Any], path: KeyPath) -> None:
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict):
            _refuse_non_finite(source, value, here)
        elif isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(
                source.file, f"{'.'.join(here)} is {value}: expected a number", line=source.line_of(here)
            )


def _refuse_unknown_keys(source: YamlSource, struct: type, values: Mapping[str, Any], path: KeyPath) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key, value in values.items():
        here = (*path, key)
        if key not in fields:
            where = f"{'.'.join(path)} has no key" if path else "there is no key"
            nearest = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
            cure = f"did you mean {nearest[0]}?" if nearest else f"the keys are {', '.join(fields)}."
            raise SettingsError(source.file, f"{where} {key!r}: {cure}", line=source.line_of(here))
        if not isinstance(value, dict):
            continue
        inner = fields[key].type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _refuse_unknown_keys(source, inner, value, here)
        elif key == "models":
            for name, entry in value.items():
                if isinstance(entry, dict):
                    _refuse_unknown_keys(source, ModelSettings, entry, (*here, name))


def _path_of(message: str, values: Mapping[str, Any]) -> tuple[KeyPath, str]:
    """Find the key a validation message speaks of; the spelling keeps list positions."""
    if (match := _AT.search(message)) is None:
        return (), ""
    path: list[str] = []
    display = ""
    here: Any = values
    for step in _STEP.finditer(match["path"]):
        name = step["name"]
        if name is None and step["index"] == "...":
            name = _guilty_key(here, message)
        if name is not None:
            path.append(name)
            display += f".{name}" if display else name
            here = here.get(name) if isinstance(here, dict) else None
        else:
            display += f"[{step['index']}]"
    return tuple(path), display


def _guilty_key(entries: Any, message: str) -> str | None:
    """Name the entry of a mapping that msgspec only calls `[...]`, by converting each one alone."""
    if not isinstance(entries, dict):
        return None
    for name, entry in entries.items():
        try:
            msgspec.convert(entry, ModelSettings)
        except msgspec.ValidationError:
            return str(name)
    return None


def _look_up(values: Mapping[str, Any], path: KeyPath) -> Any:
    here: Any = values
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    return here
