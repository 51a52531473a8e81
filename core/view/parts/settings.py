"""The settings and policy files: a snapshot shows no setting, but names a file that cannot be used."""

from collections.abc import Hashable, Mapping
from typing import Any

from typing_extensions import override

from core.view.parts.part import DocumentPart, file_mark
from core.view.parts.stored import Stored


class SettingsPart(DocumentPart):
    """`bondx.yaml` and every policy file of the workspace, checked whenever one changes."""

    name = "settings"

    @override
    def mark(self) -> Hashable:
        from core.settings.in_force import named_config
        from core.settings.policy_source import files_of

        files = (*files_of(self._workspace.root), *filter(None, [named_config()]))
        return tuple((file, file_mark(file)) for file in files)

    @override
    def read(self) -> Mapping[str, Any]:
        """Check what is in force, and then the policy files that could be."""
        from core.settings import load_policy
        from core.settings.policy_source import files_of, read_policy

        root = self._workspace.root
        load_policy(root)
        for file in files_of(root)[1:]:
            read_policy(file)
        return {}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        return ()
