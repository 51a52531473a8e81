"""Every setting in force, and where its value comes from: a line of a file, or the default."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.settings.in_force import SETTINGS_NAME
from core.settings.load import settings_of
from core.settings.policy_source import ENVIRONMENT_VARIABLE, PolicySource
from core.settings.source import KeyPath, YamlSource
from core.settings.spellings import canonical

DEFAULT = "default"


class SettingOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """One setting in force.

    Attributes:
        key: Its name, such as `policy.canary.dwell_seconds`.
        value: Its value.
        origin: "default", or the file and the line; with `BONDX_ENV` or `--config` if they select the file.
        file: The file, if a file sets it.
        line: The line in it.
    """

    key: str
    value: Any
    origin: str
    file: str | None = None
    line: int | None = None


def setting_origins(root: Path, *, config: Path | None = None) -> list[SettingOrigin]:
    """Return every setting of a workspace with its origin.

    The files are `bondx.yaml`, and over it the policy file in force: that of `--config` takes its place.

    Args:
        root: The folder of the workspace.
        config: The settings or policy file given by a person; by default that of `BONDX_CONFIG`.
    Raises:
        SettingsError: A file cannot be used.
    """
    from core.settings.yaml_source import read_yaml

    policies = PolicySource(root, config=config)
    sources = [(canonical(read_yaml(file)), _why(policies, file)) for file in policies.files()]
    settings = settings_of([source for source, _ in sources])
    return [_origin_of(path, value, sources) for path, value in _leaves(settings, ())]


def _why(policies: PolicySource, file: Path) -> str:
    """Say what selects a file other than the files of every workspace."""
    if file == policies.config:
        return " (--config)"
    if file.name == SETTINGS_NAME or not policies.environment:
        return ""
    return f" ({ENVIRONMENT_VARIABLE}={policies.environment})"


def _leaves(block: msgspec.Struct, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for field in msgspec.structs.fields(block):
        value, here = getattr(block, field.name), (*path, field.encode_name)
        if isinstance(value, msgspec.Struct):
            yield from _leaves(value, here)
        else:
            yield here, msgspec.to_builtins(value)


def _origin_of(path: KeyPath, value: Any, sources: Sequence[tuple[YamlSource, str]]) -> SettingOrigin:
    key = ".".join(path)
    for source, why in reversed(sources):
        if (line := source.lines.get(path)) is not None:
            origin = f"{source.file}:{line}{why}"
            return SettingOrigin(key=key, value=value, origin=origin, file=str(source.file), line=line)
    return SettingOrigin(key=key, value=value, origin=DEFAULT)
