"""Who may call what: each route says which role it takes and whether it only looks."""

from typing import Any, TypeAlias, TypeVar

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import SkipValidation
from litestar.types import Scope

from core.serving.access import Role
from core.serving.authenticator import Authenticator, Caller

T = TypeVar("T")
Given: TypeAlias = SkipValidation[NamedDependency[T]]
"""What the application itself hands to a route: ours, so there is nothing to validate."""

AUTHENTICATOR = "authenticator"
_CALLER = "bondx_caller"

LOOK: dict[str, Any] = {"role": Role.VIEWER, "is_read": True}
REPORT: dict[str, Any] = {"role": Role.VIEWER, "is_read": False}
INSPECT: dict[str, Any] = {"role": Role.OPERATOR, "is_read": True}
OPERATE: dict[str, Any] = {"role": Role.OPERATOR, "is_read": False}
ADMINISTER: dict[str, Any] = {"role": Role.ADMIN, "is_read": False}


def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through to its route, or refuse it; a guard of Litestar's.

    Raises:
        UnauthenticatedError: It needs a token.
        ForbiddenError: Its token does not suffice.
    """
    authenticator: Authenticator = connection.app.state[AUTHENTICATOR]
    scope = connection.scope
    caller = authenticator.admit(
        dict(scope["headers"]),
        scope["client"],
        # A route that says nothing is for those who may do everything.
        at_least=handler.opt.get("role", Role.ADMIN),
        is_read=bool(handler.opt.get("is_read", False)),
    )
    scope["state"][_CALLER] = caller


def caller_of(scope: Scope) -> Caller:
    """Return who makes the request of a scope (a Litestar dependency)."""
    found: Caller = scope["state"][_CALLER]
    return found
