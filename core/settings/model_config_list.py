"""TensorFlow Serving's list of what to serve (`models.config`), as the block `serving.models` of our settings.

What it says of names, versions and labels is kept. Where its models lie and who computes them (`base_path`,
`model_platform`) is the registry's to say: such fields are listed as ignored.

Source: tensorflow_serving/config/model_server_config.proto and
tensorflow_serving/sources/storage_path/file_system_storage_path_source.proto of
https://github.com/tensorflow/serving, `ModelServerConfig` and `ServableVersionPolicy`
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.escape import shown
from core.settings.conversion import convert
from core.settings.errors import SettingsError
from core.settings.served_models import MODEL_NAME, MODEL_RULE, VERSION, ServedModelSettings
from core.settings.source import Place, YamlSource, read_text
from core.settings.text_proto import ProtoField, ProtoMessage, parse_text_proto
from core.tf_versions import version_of

LIST = "model_config_list"
_IGNORED = ("base_path", "model_type", "model_platform", "logging_config")
_MOST_VERSIONS = 10_000
_LEAST_NUMBER = 10**9
"""Larger whole numbers stand for versions of three parts, as in the lists that `registry export` writes."""


def read_model_config_file(file: Path) -> dict[str, dict[str, Any]]:
    """Read a file of TensorFlow Serving's server.

    Returns:
        The block `serving.models`.
    Raises:
        SettingsError: The file cannot be read or is no such list; the message names line and column.
    """
    found = _Reader(file).server(parse_text_proto(file, read_text(file)))
    if not found:
        raise SettingsError(file, f"{LIST} names no model: nothing would be served")
    return found


def load_model_config_file(file: Path) -> dict[str, ServedModelSettings]:
    """Read a file of TensorFlow Serving's server as settings.

    Raises:
        SettingsError: The file cannot be read or is no such list.
    """
    values = {"models": read_model_config_file(file)}
    return convert(YamlSource(file, values, {}), _Models, values).models


def models_of_values(file: Path, values: Any, place: Place) -> dict[str, dict[str, Any]]:
    """Read the same list from the values of a YAML or JSON file.

    Args:
        file: The file, for errors.
        values: What stands under `model_config_list`: `{config: [...]}`, or the entries alone.
        place: Where it stands.
    Raises:
        SettingsError: It is no such list.
    """
    if isinstance(values, list):
        values = {"config": [each["config"] if _is_wrapped(each) else each for each in values]}
    return _Reader(file, place).server([ProtoField(LIST, _as_fields(values))])


def _is_wrapped(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.keys() == {"config"}


def _as_fields(value: Any) -> Any:
    """Return values as the fields of a message."""
    if not isinstance(value, dict):
        return value
    fields: ProtoMessage = []
    for name, inner in value.items():
        entries = inner if isinstance(inner, list) else [inner]
        if name == "version_labels" and isinstance(inner, dict) and not inner.keys() <= {"key", "value"}:
            entries = [{"key": key, "value": number} for key, number in inner.items()]
        fields += [ProtoField(str(name), _as_fields(each)) for each in entries]
    return fields


class _Models(msgspec.Struct):
    models: dict[str, ServedModelSettings]


class _Fields(NamedTuple):
    """The fields of one message by name."""

    of: ProtoField
    by_name: dict[str, list[ProtoField]]


class _Reader:
    """Turns the fields of a file into settings."""

    def __init__(self, file: Path, place: Place | None = None) -> None:
        self._file = file
        self._place = place or Place(line=None, column=None)

    def server(self, fields: ProtoMessage) -> dict[str, dict[str, Any]]:
        known = self._known(ProtoField("the file", fields), (LIST,))
        config_list = self._one(known, LIST)
        if config_list is None:
            raise SettingsError(self._file, f"there is no {LIST}: expected {LIST} {{ config {{ name: … }} }}")
        models: dict[str, dict[str, Any]] = {}
        for config in self._known(config_list, ("config",)).by_name.get("config", []):
            name, model = self._model(config)
            if name in models:
                raise self._error(config, f"the model {name} is listed twice")
            models[name] = model
        return models

    def _model(self, config: ProtoField) -> tuple[str, dict[str, Any]]:
        known = self._known(config, ("name", *_IGNORED, "model_version_policy", "version_labels"))
        named = self._one(known, "name")
        if named is None:
            raise self._error(config, "a config has no name: which model of the registry is it?")
        name = self._text(named, MODEL_NAME, f"the name of a model has {MODEL_RULE}")
        model: dict[str, Any] = {}
        if (policy := self._one(known, "model_version_policy")) is not None:
            model |= self._policy(policy)
        if labels := dict(self._label(entry) for entry in known.by_name.get("version_labels", [])):
            model["labels"] = labels
        if ignored := [field for field in _IGNORED if field in known.by_name]:
            model["ignored"] = ignored
        return name, model

    def _policy(self, policy: ProtoField) -> dict[str, Any]:
        known = self._known(policy, ("latest", "all", "specific"))
        if len(known.by_name) > 1:
            raise self._error(policy, f"a version policy is one of latest, all and specific, not {len(known.by_name)}")
        if (latest := self._one(known, "latest")) is not None:
            number = self._one(self._known(latest, ("num_versions",)), "num_versions")
            return {"versions": "latest"} | ({"latest": self._whole(number)} if number is not None else {})
        if (specific := self._one(known, "specific")) is not None:
            versions = self._known(specific, ("versions",)).by_name.get("versions", [])
            if not versions:
                raise self._error(specific, "specific names no versions")
            return {"versions": [self._version(version) for version in versions]}
        if (every := self._one(known, "all")) is not None:
            self._known(every, ())
            return {"versions": "all"}
        return {}

    def _label(self, entry: ProtoField) -> tuple[str, Any]:
        known = self._known(entry, ("key", "value"))
        key, value = self._one(known, "key"), self._one(known, "value")
        if key is None or value is None:
            raise self._error(entry, "a version label needs a key and a value")
        return self._text(key, r"\S", "a label is a text that is not blank"), self._version(value, is_label=True)

    def _known(self, field: ProtoField, names: tuple[str, ...]) -> _Fields:
        """Return the fields of a message by name; refuse others, and what is no message."""
        if not isinstance(field.value, list):
            raise self._error(field, f"{field.name} is {shown(field.value)}: expected a block {{ … }}")
        by_name: dict[str, list[ProtoField]] = {}
        for each in field.value:
            if each.name not in names:
                known = f"it has {', '.join(names)}" if names else "it is empty"
                raise self._error(each, f"{field.name} has no field {shown(each.name)}: {known}")
            by_name.setdefault(each.name, []).append(each)
        return _Fields(field, by_name)

    def _one(self, fields: _Fields, name: str) -> ProtoField | None:
        found = fields.by_name.get(name, [])
        if len(found) > 1:
            raise self._error(found[1], f"{name} is given twice in {fields.of.name}")
        return found[0] if found else None

    def _text(self, field: ProtoField, pattern: str, rule: str) -> str:
        if type(field.value) is not str or re.search(pattern, field.value) is None:
            raise self._error(field, f"{field.name} is {shown(field.value)}: {rule}")
        return field.value

    def _whole(self, field: ProtoField) -> int:
        if type(field.value) is not int or not 1 <= field.value <= _MOST_VERSIONS:
            raise self._error(field, f"{field.name} is {shown(field.value)}: expected 1 to {_MOST_VERSIONS:,}")
        return field.value

    def _version(self, field: ProtoField, *, is_label: bool = False) -> int | str:
        value = field.value
        if type(value) is int and 0 <= value < _LEAST_NUMBER:
            return value
        if type(value) is int and (version := version_of(value)) != str(value):
            return version
        if type(value) is str and (re.search(VERSION, value) or (is_label and value.strip())):
            return value
        wanted = ' such as 1 or "1.2.0"' + (", or the name of a stage or an alias" if is_label else "")
        raise self._error(field, f"{field.name} is {shown(value)}: expected a version{wanted}")

    def _error(self, field: ProtoField, problem: str) -> SettingsError:
        place = Place(line=field.line, column=field.column) if field.line is not None else self._place
        return SettingsError(self._file, problem, **place)
