"""The refusals of the door, and of tokens of the OIDC provider."""

from concurrent.futures import Future

from core.errors import CoreError, RefusedError, UsageError


class AccessRefusedError(RefusedError):
    """No role of the caller allows the verb.

    Attributes:
        verb: The verb, as the audit log calls it.
        object: The object that it is about; "" if none is known yet.
        is_recorded: Whether the audit log has the refusal.
    """

    def __init__(self, message: str, *, verb: str, object: str = "") -> None:  # noqa: A002 - the word of the log
        super().__init__(message)
        self.verb = verb
        self.object = object
        self.is_recorded = False


class OidcExtraMissingError(UsageError):
    """The settings name an OIDC provider, and the package that checks its tokens is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "serving.oidc needs the extra oidc, which is not installed: pip install 'bondx-console[oidc]'."
        )


class OidcTokenError(RefusedError):
    """A token is not one of the configured provider for this service, or does not hold now."""


class UnknownOidcKeyError(OidcTokenError):
    """No key of the provider has the token's `kid`: the provider may have changed its keys.

    Attributes:
        kid: The name of the key in the token.
    """

    def __init__(self, kid: str) -> None:
        super().__init__("The token is signed by a key that its provider does not publish.")
        self.kid = kid


class OidcProviderError(CoreError):
    """The keys of the provider cannot be had: it does not answer, or its answer cannot be used."""


class OidcKeysAwaitedError(OidcProviderError):
    """The keys of the provider are being fetched, and one of them may be the token's.

    Attributes:
        fetched: Done once they are there, or cannot be had.
    """

    def __init__(self, fetched: "Future[None]") -> None:
        super().__init__("The keys of the provider are being fetched; retry in a moment.")
        self.fetched = fetched
