"""Whether the receivers could ever be told: every channel is made as for a message, and nothing is sent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.alerts.delivery.block_keys import unknown_key, unused_keys
from core.alerts.delivery.channels.apprise_url import AppriseChannel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.receivers import KINDS_SENT, Receivers, RoutingFile
from core.alerts.delivery.secret import CheckedSecrets
from core.alerts.escalation.policy import EscalationPolicies
from core.errors import UsageError
from core.escape import shown
from core.settings import AlertSettings

if TYPE_CHECKING:
    from core.state import Workspace

_LOCAL = frozenset({"console", "bell", "tmux"})


def check_receivers(
    workspace: "Workspace",
    settings: AlertSettings,
    routing: RoutingFile | None = None,
    *,
    is_in_force: bool = True,
) -> list[str]:
    """Refuse a channel that can never work, and say what BondX does not act on.

    A variable or a file that is missing may be there where the engine runs. A kind that BondX does not send by itself
    is left to the Alertmanager that the file may serve, too.

    Args:
        workspace: The workspace; nothing is read from it.
        settings: The `alerts` block.
        routing: The routing file, if there is one.
        is_in_force: Whether it is the file that the settings name; of another, the mode is not looked at.

    Returns:
        What the file holds and BondX does not act on, in the order of the file, each with its place.
    Raises:
        UsageError: It names the place of the first one, and what is wrong.
    """

    def secrets(*, place: str, is_private: bool) -> CheckedSecrets:
        return CheckedSecrets(place=place, is_private=is_private or not is_in_force)

    notes = [] if routing is None else list(_notes(settings, routing))
    receivers = Receivers(workspace, settings, routing, secrets=secrets)
    for configured in receivers.all():
        if not configured.is_ours or configured.target.kind in _LOCAL or configured.lacks_secret:
            continue
        try:
            channel = configured.make()
            if isinstance(channel, AppriseChannel):
                channel.require_known()
            notes += [f"{configured.place}: not used by BondX: {problem}" for problem in getattr(channel, "unused", ())]
        except DeliveryError as error:
            raise UsageError(str(error)) from None
    for index, address in enumerate(settings.alertmanagers):
        if "@" in address and "${" not in address:
            raise UsageError(
                f"alerts.alertmanagers[{index}]: a password must not stand in the settings: write ${{VARIABLE}}, "
                "and set that in the environment of the engine."
            )
    return notes


def _notes(settings: AlertSettings, routing: RoutingFile) -> Iterator[str]:
    """Yield what BondX does not act on.

    Raises:
        UsageError: A block has a key that no Alertmanager knows.
    """
    for name, receiver in routing.receivers.items():
        for block in receiver.blocks:
            if (problem := unknown_key(block.kind, block.fields)) is not None:
                raise UsageError(f"{block.place}: {problem}")
            if block.kind not in KINDS_SENT:
                yield f"{block.place}: {block.kind}: {_who_sends(name, settings)}"
            elif unused := ", ".join(unused_keys(block.kind, block.fields)):
                yield f"{block.place}: not used by BondX: {unused}"
    for place in routing.unmatched:
        yield f"{place}: no file of templates has this name yet."


def _who_sends(receiver: str, settings: AlertSettings) -> str:
    if settings.channels.get(receiver):
        return f"BondX sends none; the addresses of {shown(receiver)} in alerts.channels stand for it."
    if settings.alertmanagers:
        return "BondX sends none; the Alertmanager of alerts.alertmanagers does, if its own file has this receiver."
    return (
        "BondX sends none, so this fails: give the receiver an apprise: address in alerts.channels, or name an "
        "Alertmanager in alerts.alertmanagers."
    )


def check_names(workspace: "Workspace", settings: AlertSettings, routing: RoutingFile | None) -> None:
    """Refuse a setting that names a receiver which does not exist: nobody would hear, and nothing would say so.

    Args:
        workspace: The workspace; nothing is read from it.
        settings: The `alerts` block in force.
        routing: The routing file in force, if there is one.

    Raises:
        UsageError: It names the setting and the receivers that exist.
    """
    receivers = Receivers(workspace, settings, routing)
    known, unsent = receivers.names(), receivers.unsent
    policies = EscalationPolicies(settings.escalation, settings.oncall)
    problems = [*policies.problems, *(f"alerts.escalation: {text}" for text in policies.unknown(known, unsent))]
    if settings.heartbeat is not None and settings.heartbeat.receiver not in known:
        problems.append(f"alerts.heartbeat: there is no receiver {shown(settings.heartbeat.receiver)}")
    elif settings.heartbeat is not None and settings.heartbeat.receiver in unsent:
        problems.append(f"alerts.heartbeat: BondX sends nothing to the receiver {shown(settings.heartbeat.receiver)}")
    for name in settings.delivery.fallover:
        if name not in (*known, "*"):
            problems.append(f"alerts.delivery.fallover: there is no receiver {shown(name)}")
    if problems:
        raise UsageError(f"{problems[0]}; the receivers are {', '.join(known)}.")
