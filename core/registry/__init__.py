"""Versions of models, their stages, and the moves between stages.

stages.py        the stages, and the one table of moves between them
numbering.py     names of models and numbers of versions
documents.py     what the database holds
records.py       reading it
manifest.py      the hash of every file of an artifact, and the check of a folder
card.py          the evidence, hashed along with the files
artifacts.py     artifact folders: staged, durable, put in place by one rename
contents.py      the files of an artifact that describe it
registration.py  registering a version, and the sweep after a crash; version_bump.py decides its number
aliases.py       names people give to versions
approvals.py     four eyes: who has approved a version, and which approvals count
holds.py         the versions that a rollout uses
gates.py         what a version must show before it moves up
planning.py      what a move would do, decided beforehand; planner.py gathers its inputs
transitions.py   carrying out a plan
integrity.py     whether the files still match the registered files
made_profiles.py profiles that were made later, beside the artifacts of versions without one
diff.py          two versions compared
lineage.py       where a version comes from, as a graph; ancestry.py lists its versions, graph_layout.py draws them
retention.py     which versions may go; pruning.py removes them
registry.py      the public class; registry_reader.py is its read-only half
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.registry.stages import ALLOWED, Stage, TransitionVerb, is_allowed, next_stage

if TYPE_CHECKING:
    from core.registry.aliases import Alias
    from core.registry.approvals import Approval
    from core.registry.diff import VersionDiff, VersionDifference
    from core.registry.documents import ModelVersion, PrunedVersion, RegisteredModel, StageChange, Transition
    from core.registry.errors import (
        AliasNotFoundError,
        ApprovalNotFoundError,
        ArtifactRefusedError,
        HashMismatchError,
        InvalidNameError,
        ModelNotFoundError,
        PromotionRefusedError,
        StalePlanError,
        VersionNotFoundError,
    )
    from core.registry.integrity import IntegrityResult
    from core.registry.lineage import LineageEdge, LineageGraph, LineageNode
    from core.registry.numbering import SemanticVersion
    from core.registry.planning import Plan
    from core.registry.registration import Sweep
    from core.registry.registry import Registry
    from core.registry.retention import PruneCandidate, PrunePlan
    from core.registry.trials import Quarantine, QuarantinedError

__all__ = [
    "ALLOWED",
    "Alias",
    "AliasNotFoundError",
    "Approval",
    "ApprovalNotFoundError",
    "ArtifactRefusedError",
    "HashMismatchError",
    "IntegrityResult",
    "InvalidNameError",
    "LineageEdge",
    "LineageGraph",
    "LineageNode",
    "ModelNotFoundError",
    "ModelVersion",
    "Plan",
    "PromotionRefusedError",
    "PruneCandidate",
    "PrunePlan",
    "PrunedVersion",
    "Quarantine",
    "QuarantinedError",
    "RegisteredModel",
    "Registry",
    "SemanticVersion",
    "Stage",
    "StageChange",
    "StalePlanError",
    "Sweep",
    "Transition",
    "TransitionVerb",
    "VersionDiff",
    "VersionDifference",
    "VersionNotFoundError",
    "is_allowed",
    "next_stage",
]

# The home of every other name, imported on first use: the command line names the stages before it opens anything, and
# a console paints its first screen before it opens the registry.
_HOMES = {
    "Alias": "aliases",
    "AliasNotFoundError": "errors",
    "Approval": "approvals",
    "ApprovalNotFoundError": "errors",
    "ArtifactRefusedError": "errors",
    "VersionDifference": "diff",
    "HashMismatchError": "errors",
    "IntegrityResult": "integrity",
    "InvalidNameError": "errors",
    "LineageEdge": "lineage",
    "LineageGraph": "lineage",
    "LineageNode": "lineage",
    "ModelNotFoundError": "errors",
    "ModelVersion": "documents",
    "Plan": "planning",
    "PromotionRefusedError": "errors",
    "PruneCandidate": "retention",
    "PrunePlan": "retention",
    "PrunedVersion": "documents",
    "Quarantine": "trials",
    "QuarantinedError": "trials",
    "RegisteredModel": "documents",
    "Registry": "registry",
    "SemanticVersion": "numbering",
    "StageChange": "documents",
    "StalePlanError": "errors",
    "Sweep": "registration",
    "Transition": "documents",
    "VersionDiff": "diff",
    "VersionNotFoundError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
