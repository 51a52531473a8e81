"""The optional extra `oidc`: joserfc, which checks the tokens of an OIDC provider."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.access.errors import OidcExtraMissingError
from core.settings.oidc import OidcSettings

if TYPE_CHECKING:
    from core.access.oidc_provider import OidcProvider


def require_oidc_extra() -> None:
    """Refuse to go on without the extra.

    Raises:
        OidcExtraMissingError: It is not installed.
    """
    try:
        is_installed = find_spec("joserfc") is not None
    except (ImportError, ValueError):  # it is blocked
        is_installed = False
    if not is_installed:
        raise OidcExtraMissingError


def oidc_provider(settings: OidcSettings, root: Path) -> "OidcProvider":
    """Return the provider of the settings; nothing is fetched yet.

    Args:
        settings: The provider, and what its tokens must be.
        root: The folder of the workspace.
    Raises:
        OidcExtraMissingError: The extra is not installed.
    """
    require_oidc_extra()
    from core.access.oidc_provider import OidcProvider  # an extra, imported only where it is asked for

    return OidcProvider(settings, root)
