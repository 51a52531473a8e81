"""The roles that every workspace has, as sets of classes of verbs."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from core.access.verbs import VerbClass


class Role(StrEnum):
    """A built-in role."""

    VIEWER = "viewer"  # read, predict, report outcomes
    OPERATOR = "operator"  # sessions, promotions, rollouts, alerts
    APPROVER = "approver"  # the approvals of other people's changes
    ADMIN = "admin"  # rights and tokens, every permanent removal, and all that the others may

    def includes(self, needed: "Role", *, governed: bool = True) -> bool:
        """Say whether the role holds every right of another.

        Args:
            needed: The other role.
            governed: Whether the workspace has grants; without any, an operator's token approves, too.

        >>> [str(role) for role in Role if role.includes(Role.OPERATOR)]
        ['operator', 'admin']
        """
        return classes_of(needed) <= classes_of(self, governed=governed)


BUILT_IN: Mapping[str, Role] = MappingProxyType({str(role): role for role in Role})
"""The built-in roles by name."""

_LOOKS = frozenset({VerbClass.VIEW, VerbClass.INSPECT})
_CLASSES: Mapping[Role, frozenset[VerbClass]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({VerbClass.VIEW}),
        Role.OPERATOR: _LOOKS | {VerbClass.OPERATE},
        Role.APPROVER: _LOOKS | {VerbClass.APPROVE},
        Role.ADMIN: _LOOKS | {VerbClass.OPERATE, VerbClass.APPROVE, VerbClass.ADMINISTER, VerbClass.REPAIR},
    }
)


def classes_of(role: Role, *, governed: bool = True) -> frozenset[VerbClass]:
    """Return the classes of verbs that a role holds.

    Args:
        role: The role.
        governed: Whether the workspace has grants; without any, an operator approves, too, as before there were grants.
    """
    more = {VerbClass.APPROVE} if role is Role.OPERATOR and not governed else set()
    return _CLASSES[role] | more
