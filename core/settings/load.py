"""From files to validated settings: the workspace's `bondx.yaml`, then the file of `--config` as an overlay."""

from pathlib import Path
from typing import Any

from core.settings.conversion import convert, refuse_unknown_keys
from core.settings.overlay import overlay
from core.settings.policy import ModelPolicy, Policy
from core.settings.settings import Settings
from core.settings.source import YamlSource
from core.settings.spellings import POLICY_SECTIONS, canonical

OVERRIDES = ("policy", "overrides")


def load_settings(*files: Path) -> Settings:
    """Read settings files, each overriding the previous file, key by key.

    Raises:
        SettingsError: A file cannot be read, or holds an unknown key or a value out of its range.
    """
    from core.settings.yaml_source import read_yaml

    return settings_of([read_yaml(file) for file in files])


def load_cached_settings(file: Path, *over: Path, cached_in: Path) -> Settings:
    """Read settings files, without parsing the first one again while it is unchanged.

    Args:
        file: The settings file.
        over: Further files, each of which overrides the previous file, key by key; they are parsed.
        cached_in: The cache file; see `core.settings.cache`.
    Raises:
        SettingsError: A file cannot be read, or holds an unknown key or a value out of its range.
    """
    from core.settings.cache import read_cached

    sources = [read_cached(file, cached_in)]
    if over:
        from core.settings.yaml_source import read_yaml

        sources += map(read_yaml, over)
    return settings_of(sources)


def settings_of(sources: list[YamlSource]) -> Settings:
    """Merge parsed files; see `load_settings`.

    Raises:
        SettingsError: A file holds an unknown key or a value out of its range.
    """
    merged: dict[str, Any] = {}
    for source in map(canonical, sources):
        refuse_unknown_keys(source, Settings, source.values, also=POLICY_SECTIONS)
        _convert(source)  # each file is validated separately, so that the error names the right file
        merged = overlay(merged, source.values)
    if not sources:
        return Settings()
    return _convert(YamlSource(sources[-1].file, merged, {}))


def _convert(source: YamlSource) -> Settings:
    settings = convert(source, Settings, source.values)
    _check_overrides(source, settings.policy)
    return settings


def _check_overrides(source: YamlSource, policy: Policy) -> None:
    """Validate every override together with the sections that it changes."""
    shared = policy.shared_values()
    for pattern, entry in policy.overrides.items():
        here = (*OVERRIDES, pattern)
        refuse_unknown_keys(source, ModelPolicy, entry, here)
        convert(source, ModelPolicy, overlay(shared, entry), here)
