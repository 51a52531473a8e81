"""The verdict of the policy in force, or of `--config`, on promoting a version to Production."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.quality.gate import GateResult
    from core.registry import ModelVersion
    from core.settings import PolicySource
    from core.state import Workspace


def policy_source(args: argparse.Namespace, workspace: "Workspace") -> "PolicySource":
    """Open the policy of the workspace, overridden by `--config`."""
    from core.settings import PolicySource

    return PolicySource(workspace.root, config=args.config)


def gates_of(args: argparse.Namespace, workspace: "Workspace", *versions: "ModelVersion") -> "list[list[GateResult]]":
    """Judge versions by the policy; return the gates of each."""
    from core.registry import Registry

    registry = Registry(workspace, policy=policy_source(args, workspace))
    return [list(registry.policy_gates(version.model, version.version)) for version in versions]


def print_gates(gates: "Sequence[GateResult]") -> None:
    """Print the gates of a promotion to Production."""
    from console.cli.output import gate_line

    print("on the way to Production:")
    for gate in gates:
        print(f"  {gate_line(gate)}")
