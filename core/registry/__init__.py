"""Versions of models, the stages they stand in, and the moves between them.

stages.py        the stages, and the one table of moves between them
numbering.py     names of models and numbers of versions
documents.py     what the database holds
records.py       looking it up
manifest.py      the hash of every file of an artifact, and the check of a folder
card.py          the evidence, hashed along with the files
artifacts.py     artifact folders: staged, durable, put in place by one rename
registration.py  how a version comes in, and the sweep after a crash
gates.py         what a version must show before it moves up
planning.py      what a move would do, decided before it is done; proposing.py gathers what that takes
integrity.py     whether the files are still those that were registered
diff.py          two versions side by side; comparison.py gathers them
registry.py      the face of it all
"""

from core.registry.diff import Difference, VersionDiff
from core.registry.documents import ModelVersion, RegisteredModel, StageChange, Transition
from core.registry.errors import (
    ArtifactRefusedError,
    HashMismatchError,
    InvalidNameError,
    ModelNotFoundError,
    PromotionRefusedError,
    VersionNotFoundError,
)
from core.registry.integrity import IntegrityResult
from core.registry.numbering import SemanticVersion
from core.registry.planning import Plan
from core.registry.registration import Sweep
from core.registry.registry import Registry
from core.registry.stages import ALLOWED, Stage, Verb, is_allowed, next_stage

__all__ = [
    "ALLOWED",
    "ArtifactRefusedError",
    "Difference",
    "HashMismatchError",
    "IntegrityResult",
    "InvalidNameError",
    "ModelNotFoundError",
    "ModelVersion",
    "Plan",
    "PromotionRefusedError",
    "RegisteredModel",
    "Registry",
    "SemanticVersion",
    "Stage",
    "StageChange",
    "Sweep",
    "Transition",
    "Verb",
    "VersionDiff",
    "VersionNotFoundError",
    "is_allowed",
    "next_stage",
]
