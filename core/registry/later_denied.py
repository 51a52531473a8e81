"""A version that was registered before a column of its data gates was denied, with what it may still tell."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from core.explain.deny_list import DenyList
from core.explain.later_denied import gates_as_shown
from core.registry.documents import ModelVersion
from core.state.brief import whole

if TYPE_CHECKING:
    from core.state import Workspace


def version_as_shown(workspace: "Workspace", version: ModelVersion) -> ModelVersion:
    """Return a version as the settings of a workspace let it be shown; see `versions_as_shown`."""
    return versions_as_shown(workspace, [version])[0]


def versions_as_shown(workspace: "Workspace", versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Return versions as they are shown: gates tell no figure and no cell of a column that must not appear.

    The registry keeps what the gates measured, and compares it with the files of a version.

    Raises:
        SettingsError: The settings cannot be read, and may deny a column of a gate.
    """
    if not any(gate.tells_columns for version in versions for gate in version.gates):
        return list(versions)
    denied = DenyList.in_force(workspace.root)
    return [with_gates_as_shown(version, denied) for version in versions]


def with_gates_as_shown(version: ModelVersion, denied: DenyList) -> ModelVersion:
    """Return a version with gates that tell nothing of denied columns."""
    gates = gates_as_shown(version.gates, denied)
    return version if gates == version.gates else msgspec.structs.replace(whole(version), gates=gates)
