"""Access: who may do what, decided in one place for every face.

`verbs.py` classifies every verb of the audit log, `roles.py` says which classes a role holds, `documents.py` are the
grants, roles and tokens as stored, `principal.py` is who asks; `decision.py` decides and knows no disk, `door.py` reads
what it decides on. Whoever changes state comes through the door in `core.governance.audit`, with its record.
"""

from core.access.decision import (
    AccessDecision,
    AccessRules,
    GivingRight,
    can_ever,
    decide,
    giving_right,
    reaches,
    resting_on,
)
from core.access.documents import CustomRole, Grant, Token
from core.access.door import Door
from core.access.errors import AccessRefusedError
from core.access.principal import Principal, PrincipalKind, principal_of
from core.access.roles import Role
from core.access.verbs import VERBS, VerbClass, class_of
from core.state.workspace import ACCESS_DATABASE as DATABASE

__all__ = [
    "DATABASE",
    "VERBS",
    "AccessDecision",
    "AccessRefusedError",
    "AccessRules",
    "CustomRole",
    "Door",
    "GivingRight",
    "Grant",
    "Principal",
    "PrincipalKind",
    "Role",
    "Token",
    "VerbClass",
    "can_ever",
    "class_of",
    "decide",
    "giving_right",
    "principal_of",
    "reaches",
    "resting_on",
]
