"""Authenticates callers: by a token of ours or of the OIDC provider, or as a local reader on this machine."""

import asyncio
import shlex
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from core.access import VERBS, AccessRules, Door, VerbClass, can_ever, decide, principal_of, reaches
from core.access.errors import OidcKeysAwaitedError, OidcProviderError, OidcTokenError
from core.access.oidc_extra import oidc_provider
from core.access.principal import ANONYMOUS
from core.access.roles import classes_of
from core.access.verbs import INSPECT
from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.escape import shown
from core.governance.audit import record_refusal
from core.local_callers import LocalCallers
from core.serving.access import DATABASE, Role, Token, Tokens, digest
from core.serving.errors import ForbiddenError, KeysAwaitedError, UnauthenticatedError, UnavailableError
from core.serving.peer_accounts import PeerAccount
from core.serving.token_uses import TokenUses
from core.settings.oidc import OidcSettings
from core.state import Workspace

if TYPE_CHECKING:
    from core.access.oidc_provider import OidcProvider

Headers = Mapping[bytes, bytes]

_KEYS_SECONDS = 21.0  # that a request waits for the keys of its token's provider: for one attempt, and the next
_DOTS = 2  # of a signed token in the compact form
_LOOK_SECONDS = 0.25  # how long a revoked token may continue to work


class Caller(NamedTuple):
    """The caller of a request."""

    actor: Actor  # the author of this caller's changes
    role: Role
    has_token: bool = True  # without a token, a caller is any program on this machine
    asks_by_grant: bool = False  # whether grants, which may cover some models alone, let it ask for predictions


class Authenticator:
    """Checks requests against the tokens of a workspace. Safe to share between threads."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        local_reads: bool = True,
        oidc: OidcSettings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Read no token yet.

        Args:
            workspace: The workspace with the tokens.
            local_reads: Whether callers on this machine may read and predict without a token.
            oidc: The provider whose tokens are taken, too.
            clock: The time.
        Raises:
            OidcExtraMissingError: There is a provider, and what checks its tokens is not installed.
        """
        self._workspace = workspace
        self._tokens = Tokens(workspace, clock=clock)
        self._uses = TokenUses(workspace)
        self._door = Door(workspace, clock=clock)
        self._clock = clock
        self._by_digest: dict[str, Token] = {}
        self._generation: object = None
        self._looked_at = float("-inf")
        self._local = LocalCallers() if local_reads else None
        self._oidc = None if oidc is None else oidc_provider(oidc, workspace.root)

    def begin(self) -> None:
        """Begin to fetch the keys of the provider, if there is one; its first caller would wait for them."""
        if self._oidc is not None:
            self._oidc.begin()

    async def admit_waiting(
        self,
        headers: Headers,
        client: tuple[str, int] | None,
        *,
        takes: VerbClass,
        is_read: bool,
        model: str | None = None,
    ) -> Caller:
        """Admit a request as `admit` does, once the keys of its token's provider have come, if they are awaited."""
        until = time.monotonic() + _KEYS_SECONDS
        while True:
            try:
                return self.admit(headers, client, takes=takes, is_read=is_read, model=model)
            except KeysAwaitedError as error:
                rest = until - time.monotonic()
                # Others wait for the same future, so it must not be cancelled with this request.
                done, _ = await asyncio.wait([asyncio.wrap_future(error.fetched)], timeout=max(rest, 0.0))
                if not done:
                    raise

    def admit(
        self,
        headers: Headers,
        client: tuple[str, int] | None,
        *,
        takes: VerbClass,
        is_read: bool,
        model: str | None = None,
    ) -> Caller:
        """Admit a request, or raise the reason for refusing it.

        Args:
            headers: By lower-case name.
            client: Address of the peer; None where the server cannot know.
            takes: The class of verbs that the route is of; which verb, to which model, is judged where it is done.
            is_read: Whether the request changes nothing; then a caller on this machine needs no token.
            model: The model that the route is about, if it names one.
        Raises:
            UnauthenticatedError: A token is required, and the request has no valid token.
            ForbiddenError: No role of the token has a verb of this class, or may inspect this model.
            UnavailableError: The key of a provider's token is not known; a `KeysAwaitedError` while it may come.
        """
        host = client[0] if client else "?"
        authorization = headers.get(b"authorization")
        if isinstance(host, PeerAccount):
            if authorization is None:
                return self._admit_account(host, takes, model)
            host = socket.gethostname()
        if authorization is None:
            may_read = is_read and takes is VerbClass.VIEW and client is not None
            if may_read and self._local is not None and self._local.is_local(headers, host):
                return Caller(Actor(ANONYMOUS, host, Origin.API), Role.VIEWER, has_token=False)
            raise UnauthenticatedError(
                "A token is required: send `Authorization: Bearer TOKEN`. Create one with `bondx access token create`."
            )
        scheme, _, rest = authorization.decode("latin-1").partition(" ")
        secret = rest.strip() if scheme.lower() == "bearer" else ""
        token = self._find(secret) if secret else None
        if token is None:
            if self._oidc is not None and secret.count(".") == _DOTS and secret.isascii():
                return self._admit_subject(self._oidc, secret, host, takes, model)
            raise UnauthenticatedError("The token is unknown, expired or revoked.")
        self._uses.note(token.token_id, self._clock())
        # A viewer's right is every token's, so predictions ask nothing more.
        if takes is not VerbClass.VIEW:
            lacks = f"; token {token.token_id} has the role {token.role}"
            self._require_to_reach(self._door.rules(), token.actor(host), takes, model, lacks)
        return Caller(token.actor(host), token.role)

    def _admit_account(self, account: PeerAccount, takes: VerbClass, model: str | None) -> Caller:
        """Admit an account of this machine, which the kernel vouches for, by its grants."""
        rules = self._door.rules()
        actor = Actor(str(account), socket.gethostname(), Origin.API)
        if rules.keeps_out(account):
            raise ForbiddenError(
                f"{account} has no role here: an admin grants one with `bondx access grant user:{account} viewer`.",
                verb=takes,
                actor=actor,
            )
        self._require_to_reach(rules, actor, takes, model, f", which {account} lacks")
        return Caller(actor, Role.VIEWER, asks_by_grant=True)

    def _admit_subject(
        self, provider: "OidcProvider", token: str, host: str, takes: VerbClass, model: str | None
    ) -> Caller:
        """Admit a subject of the OIDC provider, whose token vouches for it, by its grants and those of its groups."""
        now = self._clock()
        try:
            found = provider.identity(token, now)
        except OidcTokenError as error:
            raise UnauthenticatedError(str(error)) from error
        except OidcKeysAwaitedError as error:
            raise KeysAwaitedError(error) from error
        except OidcProviderError as error:
            raise UnavailableError(str(error)) from error
        actor = Actor.of_oidc(found.subject, found.groups, host)
        principal, rules = principal_of(actor), self._door.rules()
        if not rules.grants_of(principal, now):
            raise ForbiddenError(
                f"{principal} has no role here: an admin grants one with "
                f"`bondx access grant {shlex.quote(str(principal))} viewer`.",
                verb=takes,
                actor=actor,
            )
        self._require_to_reach(rules, actor, takes, model, f", which {principal} lacks")
        return Caller(actor, Role.VIEWER, asks_by_grant=True)

    def require_to_ask(self, caller: Caller, model: str) -> None:
        """Refuse an admitted caller whose grants do not cover a model.

        Args:
            caller: Who asks.
            model: The model that is asked.
        Raises:
            ForbiddenError: No role of the caller allows it to ask this model.
            StateError: The grants cannot be read.
        """
        decision = self._door.may(caller.actor, "prediction.ask", model=model)
        if not decision.is_allowed:
            refusal = ForbiddenError(
                f"{caller.actor.name} may not ask {shown(model)}: {decision.reason}.",
                verb="prediction.ask",
                actor=caller.actor,
            )
            refusal.object = model
            raise refusal

    def record(self, refusal: ForbiddenError) -> None:
        """Record that a caller was refused."""
        record_refusal(self._workspace, refusal, actor=refusal.actor, clock=self._clock)

    def _require_to_reach(
        self, rules: AccessRules, actor: Actor, takes: VerbClass, model: str | None, lacks: str
    ) -> None:
        principal, now = principal_of(actor), self._clock()
        if reaches(rules, principal, takes, now=now, model=model):
            return
        roles = " or ".join(role for role in Role if takes in classes_of(role))
        problem = f"This requires the role {roles}{lacks}."
        if any(can_ever(rules, principal, verb, now=now) for verb, kind in VERBS.items() if kind is takes):
            reason = decide(rules, principal, INSPECT, model=model, now=now).reason
            about = "the whole workspace" if model is None else shown(model)
            problem = f"{actor.name} may not do {INSPECT} ({about}): {reason}."
        raise ForbiddenError(problem, verb=takes, actor=actor)

    def has_tokens(self) -> bool:
        """Say whether any token is valid now, or may be: the provider knows of its own."""
        self._look()
        return self._oidc is not None or any(token.is_valid(self._clock()) for token in self._by_digest.values())

    def _find(self, secret: str) -> Token | None:
        found = digest(secret)
        # A token that is not known may have been made since the last look.
        if found not in self._by_digest or time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._look()
        token = self._by_digest.get(found)
        return token if token is not None and token.takes(found, self._clock()) else None

    def _look(self) -> None:
        begin = time.monotonic()
        generation = self._workspace.database(DATABASE).signature()
        if generation != self._generation:
            try:
                tokens = self._tokens.all()
                by_digest = {token.former_digest: token for token in tokens if token.former_digest}
                self._by_digest = by_digest | {token.digest: token for token in tokens}
                self._generation = generation
            except CoreError:
                self._by_digest = {}  # without readable tokens, nobody is admitted
                self._generation = None
                raise
        self._looked_at = begin  # last: until the tokens are read, every other thread must read them itself
