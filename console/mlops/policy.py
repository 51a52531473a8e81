"""The verdict of the policy in force, or of `--config`, on promoting a version to Production."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.quality.gate import GateResult
    from core.registry import ModelVersion
    from core.state import Workspace


def gates_of(workspace: "Workspace", *versions: "ModelVersion") -> "list[list[GateResult]]":
    """Judge versions by the policy; return the gates of each."""
    from core.registry import Registry

    registry = Registry(workspace)
    return [list(registry.policy_gates(version.model, version.version)) for version in versions]


def problem_with_policy(workspace: "Workspace") -> str | None:
    """Say what is wrong with the policy in force; None if it can be used."""
    from core.settings import SettingsError, load_policy

    try:
        load_policy(workspace.root)
    except SettingsError as error:
        return str(error)
    return None


def print_gates(gates: "Sequence[GateResult]") -> None:
    """Print the gates of a promotion to Production."""
    from console.cli.output import gate_line

    print("on the way to Production:")
    for gate in gates:
        print(f"  {gate_line(gate)}")
