"""Access to routes: each route declares the class of its verb and whether it only reads."""

import asyncio
from functools import cache
from typing import Any, TypeAlias, TypeVar, get_origin

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter, SkipValidation
from litestar.types import Scope

from core.access import Door, PrincipalKind, VerbClass, principal_of
from core.access.verbs import INSPECT as INSPECTS
from core.actor import Actor
from core.errors import UsageError
from core.escape import shown, spelled_out, texts_in, unshown_text
from core.field_problems import field_problem
from core.governance import require_access
from core.json_documents import decode_json
from core.registry import Registry
from core.serving.asgi import headers_of
from core.serving.authenticator import Authenticator, Caller
from core.serving.decoding import check_keys, syntax_problem
from core.serving.errors import BadRequestError, ForbiddenError, TooManyRequestsError
from core.serving.rate_limit import RateLimit
from core.state import Workspace
from core.text_limits import require_text
from core.training.own_data.version_choice import chosen_version

T = TypeVar("T")
Given: TypeAlias = SkipValidation[NamedDependency[T]]
"""An object that the application itself hands to a route, so it needs no validation."""

AUTHENTICATOR, RATE_LIMIT = "authenticator", "rate_limit"
_CALLER = "bondx_caller"

LOOK: dict[str, Any] = {"takes": VerbClass.VIEW, "is_read": True}
REPORT: dict[str, Any] = {"takes": VerbClass.VIEW, "is_read": False}
INSPECT: dict[str, Any] = {"takes": VerbClass.INSPECT, "is_read": True}
OPERATE: dict[str, Any] = {"takes": VerbClass.OPERATE, "is_read": False}
APPROVE: dict[str, Any] = {"takes": VerbClass.APPROVE, "is_read": False}
REPAIR: dict[str, Any] = {"takes": VerbClass.REPAIR, "is_read": False}
ADMINISTER: dict[str, Any] = {"takes": VerbClass.ADMINISTER, "is_read": False}


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a request to its route, or refuse it (a Litestar guard).

    Raises:
        UnauthenticatedError: The route requires a token.
        ForbiddenError: No role of the caller reaches the route; the audit log has the refusal.
        TooManyRequestsError: The caller has made too many requests.
    """
    authenticator: Authenticator = connection.app.state[AUTHENTICATOR]
    scope = connection.scope
    if scope.get("method") == "OPTIONS":  # the framework's own answer names the methods of the path
        return
    try:
        caller = await authenticator.admit_waiting(
            headers_of(scope),
            scope["client"],
            # A route that declares nothing requires the highest role.
            takes=handler.opt.get("takes", VerbClass.ADMINISTER),
            is_read=bool(handler.opt.get("is_read", False)),
            model=connection.path_params.get("model"),
        )
    except ForbiddenError as refusal:
        _count(connection, refusal.actor)
        refusal.object = f"{str(scope.get('method', '')).lower()} {scope['path_template']}"
        await asyncio.to_thread(authenticator.record, refusal)  # the disk must not keep other callers waiting
        raise
    _count(connection, caller.actor)
    scope["state"][_CALLER] = caller


def _count(connection: ASGIConnection[Any, Any, Any, Any], actor: Actor) -> None:
    """Count a request of a token, of an account, or of an address without either; refuse one too many."""
    limit: RateLimit = connection.app.state[RATE_LIMIT]
    principal = principal_of(actor)
    name = actor.host if principal.kind is PrincipalKind.NOBODY else str(principal)
    if wait := limit.wait_seconds(name):
        raise TooManyRequestsError(wait)


def caller_of(scope: Scope) -> Caller:
    """Return the caller of the request of a scope (a Litestar dependency)."""
    found: Caller = scope["state"][_CALLER]
    return found


def inspected(workspace: Workspace, caller: Caller, model: str, version: str | None) -> str | None:
    """Return the version to tell of, once a caller may inspect it; by a grant that is limited to stages, in its stage.

    Args:
        workspace: The workspace.
        caller: Who asks.
        model: The model, of which the caller may inspect a version in some stage.
        version: Its number; None for the one that the route chooses.
    Raises:
        AccessRefusedError: No role of the caller covers the stage of this version; the audit log has the refusal.
        NotFoundError: There is no such version.
    """
    if Door(workspace).may(caller.actor, INSPECTS, model=model).is_allowed:
        return version
    chosen = chosen_version(Registry(workspace), model, version, None)
    require_access(workspace, caller.actor, INSPECTS, object=chosen.key, model=model, stage=chosen.stage)
    return chosen.version


async def check_request(request: Request[Any, Any, Any]) -> None:
    """Refuse what no route expects: an unknown key in the query, or no body where there must be one.

    Raises:
        BadRequestError: It names what the route knows.
    """
    handler = request.route_handler
    known = _query_keys(handler)
    if unknown := next((key for key in request.query_params if key not in known), None):
        takes = f"it takes {', '.join(known)}" if known else "this path takes none"
        error = BadRequestError(f"The key {shown(unknown)} of the query is unknown: {takes}.")
        error.field = unknown
        raise error
    wanted = handler.parsed_data_field
    if wanted is None:
        return
    body = await request.body()
    if not body.strip():
        raise BadRequestError(f"The request has no body: it must be {_described(wanted.annotation)}.")
    if b"\\u" in body and (problem := syntax_problem(body, "")):  # the decoder would call it truncated
        raise BadRequestError(f"The request is not JSON: {problem}.")


async def check_types(request: Request[Any, Any, Any]) -> None:
    """Refuse also a value of another type, such as a number for a time: the framework would make one of the other.

    Raises:
        BadRequestError: It names the place.
    """
    await check_request(request)
    wanted = request.route_handler.parsed_data_field
    if wanted is None:
        return
    try:
        decode_json(await request.body(), wanted.annotation)
    except msgspec.ValidationError as error:
        field, problem = field_problem(error)
        raise BadRequestError(problem if field else f"The request {problem}.", field=field or None) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return  # the framework says what is wrong with it


async def check_words(request: Request[Any, Any, Any]) -> None:
    """Refuse also a body with characters that no terminal shows, or endless texts: they become names and reasons.

    Raises:
        CallerFaultError: It has a key twice in one object.
        UsageError: It has some; the message spells them out, or names the limit.
    """
    await check_request(request)
    body = await request.body()
    if not body:
        return
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return  # the framework says what is wrong with it
    check_keys(body)
    for text in texts_in(content):
        require_text("A text of the request", text)
    found = unshown_text(content)
    if found is not None:
        raise UsageError(f"{spelled_out(found)} holds characters that no terminal shows; leave them out.")


@cache
def _query_keys(handler: BaseRouteHandler) -> tuple[str, ...]:
    """List the keys that the query of a route may have."""
    parameters = handler.parsed_fn_signature.parameters.items()
    marks = [(name, field.kwarg_definition) for name, field in parameters]
    return tuple(sorted(mark.name or name for name, mark in marks if isinstance(mark, QueryParameter)))


def _described(body: Any) -> str:
    """Describe a body.

    >>> _described(msgspec.defstruct("Move", ["stage", ("reason", str, "")]))
    'a JSON object with stage, and optionally reason'
    >>> _described(list[str])
    'a JSON list'
    """
    if get_origin(body) is list:
        return "a JSON list"
    fields = msgspec.structs.fields(body)
    needed = ", ".join(field.encode_name for field in fields if field.required)
    optional = ", ".join(field.encode_name for field in fields if not field.required)
    if not needed:
        return f"a JSON object, {{}} or with {optional}"
    return f"a JSON object with {needed}" + (f", and optionally {optional}" if optional else "")
