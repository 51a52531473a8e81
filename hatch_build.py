"""Writes the manual pages and the scripts of completion into the wheel, from the parser of this very tree.

`share/` of a wheel lands beside the `bin/` that has the commands. The parser imports msgspec and typing-extensions
alone of what BondX depends on, which `pyproject.toml` therefore names for the build, too.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.utils import get_reproducible_timestamp

COMPLETION = "console/cli/completion"
SCRIPTS = {
    "bash-completion/completions/bondx": "bondx.bash",
    "bash-completion/completions/bondx-mlops": "bondx.bash",
    "zsh/site-functions/_bondx": "bondx.zsh",
    "fish/vendor_completions.d/bondx.fish": "bondx.fish",
    "fish/vendor_completions.d/bondx-mlops.fish": "bondx.fish",
}
"""Where each shell looks for the script, which serves both programs."""


class ShareHook(BuildHookInterface[Any]):
    """Adds `share/man` and the folders in which shells look for completion."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write them; an editable installation has none, as they would not follow the changes of the tree."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from console.cli.man_pages import SECTION, Imprint, man_page, page_names
        finally:
            sys.path.remove(self.root)
        self._folder = tempfile.TemporaryDirectory(prefix="bondx-share-")
        imprint = Imprint(self.metadata.version, datetime.fromtimestamp(get_reproducible_timestamp(), UTC).date())
        shared = {f"man/man{SECTION}/{name}.{SECTION}": man_page(name, imprint) for name in page_names()}
        for target, script in SCRIPTS.items():
            shared[target] = Path(self.root, COMPLETION, script).read_text(encoding="utf-8")
        for target, text in shared.items():
            file = Path(self._folder.name, target)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o644)
            build_data["shared_data"][str(file)] = f"share/{target}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove them from where they were written."""
        if version != "editable":
            self._folder.cleanup()
