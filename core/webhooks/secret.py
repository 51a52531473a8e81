"""The secret of a webhook: from the environment or from a private file, read when it is needed and never kept."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from core.errors import UsageError
from core.escape import shown
from core.home_paths import at_home
from core.plain_files import read_file
from core.settings.webhooks import WebhookSettings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secret_of(webhook: WebhookSettings, root: Path, environ: Mapping[str, str] | None = None) -> str:
    """Return the secret that signs the events of a webhook.

    Args:
        webhook: The webhook.
        root: The folder of the workspace.
        environ: The environment; by default that of this process.

    Returns:
        The secret, or an empty text if the webhook has none.

    Raises:
        UsageError: The variable is not set, the file is missing, empty, or open to other accounts, or the secret is a
            token that no header field can hold.
    """
    secret = _read_secret(webhook, root, os.environ if environ is None else environ)
    # The HTTP library would quote the whole field in its error.
    if webhook.format == "openlineage" and not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise UsageError(
            f"The token of the webhook {webhook.name} has a character that no token has, such as a blank, a line end "
            "or a letter beyond ASCII: correct it."
        )
    return secret


def _read_secret(webhook: WebhookSettings, root: Path, environ: Mapping[str, str]) -> str:
    if webhook.secret_env:
        secret = environ.get(webhook.secret_env, "")
        if not secret:
            raise UsageError(
                f"The webhook {webhook.name} is signed with the environment variable {webhook.secret_env}, which is "
                "not set in this process: set it where the engine is started."
            )
        return secret
    if not webhook.secret_file:
        return ""
    return _read_private(root / at_home(webhook.secret_file), webhook.name)


def _read_private(file: Path, name: str) -> str:
    about = f"The secret of the webhook {name} cannot be read from {shown(str(file), most=300)}"
    try:
        if file.stat().st_mode & _OTHERS:
            raise UsageError(f"{about}: other accounts may read it. Close it with chmod 600.")
        secret = read_file(file).decode().strip()
    except OSError as error:
        raise UsageError(f"{about}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{about}: it is no text.") from None
    if not secret:
        raise UsageError(f"{about}: it is empty.")
    return secret
