"""Which workspace, which policy, and in whose name."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from core.actor import Actor, Origin
from core.api.arguments import checked
from core.home_paths import at_home
from core.settings.policy import ModelPolicy, Policy
from core.settings.policy_source import PolicySource, read_policy
from core.state import Workspace

_EMPTY_SETTINGS = "# Every key has a default; `bondx init` in an empty folder writes them all out.\n"


@dataclass(frozen=True, slots=True)
class MLOpsConfig:
    """The configuration that opens the other classes of this package."""

    workspace: Workspace
    source: PolicySource
    actor: Actor

    @classmethod
    @checked
    def from_yaml(
        cls, file: Path | str | None = None, *, workspace: Path | str | None = None, user: str | None = None
    ) -> "MLOpsConfig":
        """Choose the workspace, and the policy file that overrides its policy.

        Args:
            file: A policy file; by default the one that `BONDX_ENV` selects, else `policy.yaml` of the workspace.
            workspace: Its folder, created if missing; by default `$BONDX_HOME`, else the user's state folder.
            user: The person to act for; by default the account this process runs for, which is always recorded
                too: for four eyes the two are one person.
        Raises:
            SettingsError: The file cannot be used; the message names line, field and fix.
            StateError: The workspace cannot be opened.
        """
        root = Workspace.locate(Path(workspace) if workspace is not None else None, os.environ)
        opened = Workspace.create(root, settings_text=_EMPTY_SETTINGS)
        config = None
        if file is not None:
            config = at_home(file).absolute()
            read_policy(config)  # a mistake is reported here and not at the first promotion
        account = Actor.current(Origin.API)
        actor = account if user is None else account.in_the_name_of(user)
        return cls(opened, PolicySource(opened.root, config=config), actor)

    def in_the_name_of(self, name: str) -> "MLOpsConfig":
        """Return the same configuration for a person named by the caller, without proof."""
        return replace(self, actor=self.actor.in_the_name_of(name))

    @property
    def policy(self) -> Policy:
        """The rules in force."""
        return self.source.policy()

    def for_model(self, model: str) -> ModelPolicy:
        """Return the rules for one model, its overrides applied."""
        return self.policy.for_model(model)
