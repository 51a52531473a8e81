"""Settings files that run unchanged; a test loads every file."""

from pathlib import Path

FOLDER = Path(__file__).parent


def template_text() -> str:
    """Return the commented settings file that `bondx init` writes, with every key and its default."""
    return (FOLDER / "bondx.yaml").read_text(encoding="utf-8")
