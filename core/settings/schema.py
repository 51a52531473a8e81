"""The JSON Schema of settings files and of policy files, for editors and for checks before a deployment."""

from typing import Any

import msgspec

from core.settings.policy import ModelPolicy
from core.settings.promotion import PromotionSettings
from core.settings.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLACE = "#/$defs/{name}"


def settings_schema() -> dict[str, Any]:
    """Return the schema of `bondx.yaml` and of a file of `--config`.

    It holds types, ranges and names; rules between two keys are left to `bondx config validate`.
    """
    (entry, promotion, settings), parts = msgspec.json.schema_components(
        (ModelPolicy, PromotionSettings, Settings), ref_template=_PLACE
    )
    parts["Policy"]["properties"]["overrides"]["additionalProperties"] = entry
    parts["Settings"]["properties"]["promotion"] = promotion  # the spelling of the first workspaces
    return {"$schema": DIALECT, "title": "bondx.yaml", **settings, "$defs": parts}


def policy_schema() -> dict[str, Any]:
    """Return the schema of a policy file: the sections of a policy, with or without the line `policy:` above them."""
    schema = settings_schema()
    del schema["$ref"]
    return schema | {"title": "a policy file", "anyOf": [{"$ref": "#/$defs/Policy"}, {"$ref": "#/$defs/Settings"}]}
