"""Sessions and epochs that were recorded before a column of them was denied, with what they may still tell."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.domains.report_section import ReportSection
from core.explain.deny_list import DenyList
from core.explain.later_denied import gates_as_shown
from core.training.epoch_slices import SliceTable
from core.training.records import EpochRecord, refusal_of
from core.training.session import Session
from core.training.tuning.records import SelectionRecord

if TYPE_CHECKING:
    from core.state import Workspace


def session_as_shown(workspace: "Workspace", session: Session) -> Session:
    """Return a session as the settings of a workspace let it be shown; see `sessions_as_shown`."""
    return sessions_as_shown(workspace, [session])[0]


def sessions_as_shown(workspace: "Workspace", sessions: Sequence[Session]) -> list[Session]:
    """Return sessions as they are shown: no gate, choice of columns or table tells of a column that must not appear.

    Raises:
        SettingsError: The settings cannot be read, and may deny a column.
    """
    if not any(map(tells_columns, sessions)):
        return list(sessions)
    denied = DenyList.in_force(workspace.root)
    return [session_without_denied(session, denied) for session in sessions]


def tells_columns(session: Session) -> bool:
    """Say whether a session may tell of columns."""
    observed = session.observed
    return bool(observed.sections or observed.tuning.selections) or any(gate.tells_columns for gate in observed.gates)


def session_without_denied(session: Session, denied: DenyList) -> Session:
    """Return a session that tells nothing of denied columns."""
    if not (denied.patterns or denied.of_values):
        return session
    observed = session.observed
    models = tuple(session.settings.get("models", ()))
    return replace(
        session,
        observed=replace(
            observed,
            gates=gates_as_shown(observed.gates, denied),
            sections=tuple(_section_as_shown(section, models, denied) for section in observed.sections),
            tuning=replace(
                observed.tuning,
                selections=tuple(_selection_as_shown(each, denied) for each in observed.tuning.selections),
            ),
        ),
    )


def _selection_as_shown(record: SelectionRecord, denied: DenyList) -> SelectionRecord:
    """Leave out denied columns and what is made of them, such as `size x tax_id`."""

    def is_shown(name: str) -> bool:
        return not denied.among((name, *name.split()))

    return replace(
        record,
        columns=tuple(each for each in record.columns if is_shown(each.name)),
        features=tuple(filter(is_shown, record.features)),
    )


def _section_as_shown(section: ReportSection, models: Sequence[str], denied: DenyList) -> ReportSection:
    """Leave out rows that name a denied column; a pattern that denies a heading or a model is too broad for that."""
    ordinary = (*models, *section.columns)
    narrow = DenyList([each for each in denied.patterns if not DenyList([each]).among(ordinary)])
    masked = DenyList(narrow.patterns, of_values=denied.of_values)
    rows = tuple(
        row
        for row in section.rows
        if not narrow.among(re.findall(r"[^\s,=]+", " ".join(row))) and not any(map(masked.denies_slice, row))
    )
    return replace(section, rows=rows)


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
