"""Sessions and epochs that were recorded before a column of them was denied, with what they may still tell."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.explain.deny_list import DenyList
from core.explain.later_denied import gates_as_shown
from core.training.epoch_slices import SliceTable
from core.training.records import EpochRecord, refusal_of
from core.training.session import Session

if TYPE_CHECKING:
    from core.state import Workspace


def session_as_shown(workspace: "Workspace", session: Session) -> Session:
    """Return a session as the settings of a workspace let it be shown; see `sessions_as_shown`."""
    return sessions_as_shown(workspace, [session])[0]


def sessions_as_shown(workspace: "Workspace", sessions: Sequence[Session]) -> list[Session]:
    """Return sessions as they are shown: gates tell no figure and no cell of a column that must not appear.

    Raises:
        SettingsError: The settings cannot be read, and may deny a column of a gate.
    """
    if not any(gate.tells_columns for session in sessions for gate in session.observed.gates):
        return list(sessions)
    denied = DenyList.in_force(workspace.root)
    return [with_gates_as_shown(session, denied) for session in sessions]


def with_gates_as_shown(session: Session, denied: DenyList) -> Session:
    """Return a session with gates that tell nothing of denied columns."""
    gates = gates_as_shown(session.observed.gates, denied)
    if gates == session.observed.gates:
        return session
    return replace(session, observed=replace(session.observed, gates=gates))


def epoch_as_shown(record: EpochRecord, denied: DenyList) -> EpochRecord:
    """Return the record of an epoch that tells nothing of denied columns."""
    gates = gates_as_shown(record.gates, denied)
    slices = {name: _slices_as_shown(table, denied) for name, table in record.slices.items()}
    return replace(
        record,
        gates=gates,
        learned_gates=gates_as_shown(record.learned_gates, denied),
        refusal=record.refusal if gates == record.gates else refusal_of(gates),
        slices={name: table for name, table in slices.items() if table.slices},
    )


def _slices_as_shown(table: SliceTable, denied: DenyList) -> SliceTable:
    denied = denied.with_slicings(table.made_of)
    shown = [place for place, name in enumerate(table.slices) if not denied.denies_slice(name)]
    return replace(
        table,
        slices=tuple(table.slices[place] for place in shown),
        values=tuple(table.values[place] for place in shown),
    )
