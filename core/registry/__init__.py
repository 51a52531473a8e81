"""Versions of models, the stages they stand in, and the moves between them.

stages.py        the stages, and the one table of moves between them
numbering.py     names of models and numbers of versions
documents.py     what the database holds
records.py       looking it up
manifest.py      the hash of every file of an artifact, and the check of a folder
card.py          the evidence, hashed along with the files
artifacts.py     artifact folders: staged, durable, put in place by one rename
contents.py      the files of an artifact that say something about it
registration.py  how a version comes in, and the sweep after a crash; version_bump.py decides which number it gets
aliases.py       names that people give to versions
approvals.py     four eyes: who has found that a version may serve, and whose word counts
holds.py         which versions a rollout rests on
gates.py         what a version must show before it moves up
planning.py      what a move would do, decided before it is done; planner.py gathers what that takes
transitions.py   carrying a plan out
integrity.py     whether the files are still those that were registered
diff.py          two versions side by side
lineage.py       where a version comes from, as a graph; ancestry.py lays its versions out, graph_layout.py draws them
retention.py     which versions may go; pruning.py removes them
registry.py      the face of it all; registry_reader.py is its half that changes nothing
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
        VersionNotFoundError,
    )
    from core.registry.integrity import IntegrityResult
    from core.registry.lineage import LineageEdge, LineageGraph, LineageNode
    from core.registry.numbering import SemanticVersion
    from core.registry.planning import Plan
    from core.registry.registration import Sweep
    from core.registry.registry import Registry
    from core.registry.retention import PruneCandidate, PrunePlan

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
    "RegisteredModel",
    "Registry",
    "SemanticVersion",
    "Stage",
    "StageChange",
    "Sweep",
    "Transition",
    "TransitionVerb",
    "VersionDiff",
    "VersionDifference",
    "VersionNotFoundError",
    "is_allowed",
    "next_stage",
]

# Where the rest lives, imported when first asked for: the command line names the stages before it opens anything, and
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
    "RegisteredModel": "documents",
    "Registry": "registry",
    "SemanticVersion": "numbering",
    "StageChange": "documents",
    "Sweep": "registration",
    "Transition": "documents",
    "VersionDiff": "diff",
    "VersionNotFoundError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
