"""The page of every setting is what the settings are."""

import msgspec
import pytest

from core.settings import Settings
from tools import configuration


def test_the_page_is_what_the_settings_are():
    assert configuration.PAGE.read_text() == configuration.page(), "python -m tools.configuration writes it again"


@pytest.mark.parametrize("setting", [*configuration.settings()], ids=lambda setting: ".".join(setting.path))
def test_every_setting_has_a_type_and_a_meaning(setting):
    assert setting.kind
    assert setting.meaning


def test_every_setting_of_a_workspace_stands_there():
    def keys(struct, path=()):
        for field in msgspec.structs.fields(struct):
            value = getattr(struct, field.name)
            here = (*path, field.encode_name)
            yield from keys(value, here) if isinstance(value, msgspec.Struct) else [here]

    assert set(keys(Settings())) <= {setting.path for setting in configuration.settings()}


def test_durations_and_sizes_name_their_unit():
    units = {".".join(setting.path): setting.unit for setting in configuration.settings()}

    assert units["convergence_timeout_hours"] == "h"
    assert units["trainer.memory_limit_mb"] == "MiB"
    assert units["alerts.resource_for_seconds"] == "s"
    assert units["telemetry.past_mib"] == "MiB"
