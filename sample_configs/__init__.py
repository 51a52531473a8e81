"""Settings files that run as they are; every one is loaded by a test, so none can rot."""

from pathlib import Path

FOLDER = Path(__file__).parent


def template_text() -> str:
    """Return the commented settings file that `bondx init` writes: every key, with its default."""
    return (FOLDER / "bondx.yaml").read_text(encoding="utf-8")
