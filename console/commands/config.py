"""`bondx config`: the settings in force, where each comes from, and whether the files are valid."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    command_parser,
    judges_config,
    noun_parser,
    workspace_root,
)
from core.errors import ExitCode, NotFoundError

if TYPE_CHECKING:
    from core.settings import Settings
    from core.settings.origin import SettingOrigin


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "config", help="show, check and describe the settings and the policy")

    show = command_parser(verbs, "show", help="every setting in force; --origin names where each value comes from")
    show.add_argument("key", metavar="KEY", nargs="?", help="only this setting or block, such as policy.canary")
    show.add_argument("--origin", action="store_true", help="the file and line, the flag, or the default")
    add_json_argument(show)
    show.set_defaults(command=show_settings)

    validate = command_parser(
        verbs, "validate", help="check settings and policy files: exit code 1 if a file cannot be used"
    )
    validate.add_argument(
        "files",
        type=Path,
        metavar="FILE",
        nargs="*",
        help="default: bondx.yaml and every policy file of the workspace, and that of --config",
    )
    add_json_argument(validate)
    validate.set_defaults(command=validate_files)

    keys = command_parser(verbs, "keys", help="the keys of the console with their ids, for console.keys in bondx.yaml")
    add_json_argument(keys)
    keys.set_defaults(command=list_keys)

    schema = command_parser(verbs, "schema", help="the JSON Schema of bondx.yaml, for editors")
    schema.add_argument("--policy", action="store_true", help="of a policy file instead")
    schema.set_defaults(command=print_schema)


def show_settings(args: argparse.Namespace) -> int:
    """Print every setting in force."""
    from console.cli.output import print_json, print_table
    from console.commands.opening import open_workspace
    from core.settings.origin import setting_origins

    settings = [*setting_origins(open_workspace(args).root), *_flags(args)]
    settings = list({setting.key: setting for setting in settings}.values())  # a flag takes precedence
    if args.key is not None:
        settings = [each for each in settings if f"{each.key}.".startswith(f"{args.key}.")]
        if not settings:
            raise NotFoundError(f"There is no setting {args.key!r}; `bondx config show` lists all settings.")
    if args.json:
        print_json(settings)
        return ExitCode.GOOD
    columns = ("setting", "value", *(("origin",) if args.origin else ()))
    rows = [{"setting": each.key, "value": _spelled(each.value), "origin": each.origin} for each in settings]
    print_table(rows, columns, empty="")
    return ExitCode.GOOD


def _flags(args: argparse.Namespace) -> "list[SettingOrigin]":
    """Return the settings that flags of this command line override."""
    from core.settings.origin import SettingOrigin

    flags = {"console.theme": ("--theme", args.theme), "console.mouse": ("--no-mouse", args.mouse)}
    return [
        SettingOrigin(key=key, value=value, origin=flag) for key, (flag, value) in flags.items() if value is not None
    ]


def _spelled(value: object) -> str:
    import msgspec

    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@judges_config
def validate_files(args: argparse.Namespace) -> int:
    """Check files, each by itself, then the policy in force."""
    from console.cli.output import complain, print_json, print_table
    from core.errors import CoreError
    from core.settings import SettingsError
    from core.settings.in_force import named_config
    from core.settings.policy_source import files_of, load_policy

    root = workspace_root(args)
    results = []
    args.has_warned_of_policy = True  # it is one of these files
    named = [] if (config := named_config()) is None else [config]
    for file in args.files or [*files_of(root), *(file for file in named if file not in files_of(root))]:
        try:
            notes = check_file(file)
        except CoreError as error:
            results.append({"file": str(file), "ok": False, "problem": str(error)})
        else:
            results.append({"file": str(file), "ok": True, "problem": None})
            for note in notes:
                complain(f"{file}: {note}")
    if not args.files and all(result["ok"] for result in results):
        try:
            load_policy(root)
        except SettingsError as error:
            results.append({"file": "policy in force", "ok": False, "problem": str(error)})
        results += _routing_results(root)
    if args.json:
        print_json(results)
    else:
        rows = [{**result, "result": "ok" if result["ok"] else "INVALID"} for result in results]
        print_table(rows, ("file", "result", "problem"), empty="no settings file here: bondx init writes one")
    return ExitCode.GOOD if all(result["ok"] for result in results) else ExitCode.FAILING


def _routing_results(root: Path) -> list[dict[str, object]]:
    """Check the receivers in force: those of the routing file that the settings name, and those of the settings."""
    from console.cli.output import complain
    from core.alerts.delivery.checking import check_names, check_receivers
    from core.alerts.routing.reading import load_routing, routing_file
    from core.errors import CoreError
    from core.settings import settings_in_force
    from core.state import Workspace

    try:
        settings, workspace = settings_in_force(root).alerts, Workspace(root)
        file = routing_file(root, settings.routing)
    except CoreError:  # of one of the files, which has a line of its own
        return []
    try:
        routing = None if file is None else load_routing(file)
        for note in check_receivers(workspace, settings, routing):
            complain(note)
        check_names(workspace, settings, routing)
    except CoreError as error:
        return [{"file": "alerts in force" if file is None else str(file), "ok": False, "problem": str(error)}]
    return [] if file is None else [{"file": str(file), "ok": True, "problem": None}]


def check_file(file: Path) -> tuple[str, ...]:
    """Refuse what a session or the console would refuse, in a settings file, which is read once.

    Returns:
        What a session with these settings would say before it starts, a sentence each.
    Raises:
        SettingsError: The file cannot be used, or the console would refuse its keys.
        UsageError: It names a gate, a model, an algorithm or an extra that is not installed, or a channel that can
            never work.
    """
    from core.alerts.delivery.checking import check_receivers
    from core.settings import load_settings
    from core.state import Workspace
    from core.training.agents.plan import agents_of
    from core.training.session_domain import announcements, checked

    settings = load_settings(file)
    training = checked(settings.training)
    agents_of(training)
    if settings.alerts.channels or settings.alerts.alertmanagers:
        check_receivers(Workspace(file.parent), settings.alerts)
    _check_keys_of(settings, file)
    return announcements(training)


def check_keys(file: Path) -> None:
    """Refuse keys that the console would refuse, in a settings file.

    Raises:
        SettingsError: The file cannot be read, or the console would refuse its keys.
    """
    from core.settings import load_settings

    _check_keys_of(load_settings(file), file)


def _check_keys_of(settings: "Settings", file: Path) -> None:
    if settings.console.keys:
        from console.app.keys import checked_keymap

        checked_keymap(settings, file)


def list_keys(args: argparse.Namespace) -> int:
    """Print the keys that the settings may change, as they are bound."""
    from console.app.keys import keymap_in_force
    from console.cli.output import print_json, print_table
    from console.commands.opening import open_workspace
    from console.runtime.preferences import UserPreferences
    from console.verbs.keymap import MOVABLE
    from core.settings import settings_in_force

    workspace = open_workspace(args)
    keymap = keymap_in_force(settings_in_force(workspace.root), workspace.settings_file, UserPreferences())
    rows = [
        {"id": verb_id, "key": key.display, "usual": verb.key.display, "changes": verb.changes, "does": verb.key.words}
        for verb_id, verb in sorted(MOVABLE.items())
        if verb.key is not None and (key := keymap.key_of(verb)) is not None
    ]
    if args.json:
        print_json(rows)
    else:
        print_table(rows, ("id", "key", "usual", "does"), empty="")
    return ExitCode.GOOD


def print_schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    from console.cli.output import print_json
    from core.settings.schema import policy_schema, settings_schema

    print_json(policy_schema() if args.policy else settings_schema())
    return ExitCode.GOOD
