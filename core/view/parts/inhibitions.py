"""Which alerts are inhibited: no document says so, it follows from the routing file and the open alerts."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from core.view.parts.part import DocumentPart, PartSource, file_mark
from core.view.parts.stored import Mapped, Stored

if TYPE_CHECKING:
    from core.alerts.routing.placement import Placements

_NONE: Mapping[str, str] = MappingProxyType({})


class InhibitionsPart(DocumentPart):
    """The alerts that nobody is told of while another one fires. Read after the alerts."""

    name = "inhibitions"

    def __init__(self, look: PartSource) -> None:
        super().__init__(look)
        self._placements: Placements | None = None
        self._settings_mark: Hashable = None
        self._file: Path | None = None
        self._may_be_routed = False

    @override
    def mark(self) -> Hashable:
        """Return the alerts, and the state of the file that says who is told; whoever has none pays for nothing."""
        alerts = self._look.seen.alerts
        if not any(alert.state.is_open for alert in alerts):
            return ()
        self._look_at_settings()
        if not self._may_be_routed:
            return ()
        from core.alerts.routing.last_good import DATABASE
        from core.alerts.routing.signatures import routing_signature

        kept = self._workspace.state_file(DATABASE)  # in force while the file cannot be used
        config = None if self._placements is None else self._placements.config
        return (
            _Same(alerts),
            routing_signature(self._file, () if config is None else config.templates),
            file_mark(kept),
        )

    @override
    def read(self) -> Mapping[str, Any]:
        open_alerts = [alert for alert in self._look.seen.alerts if alert.state.is_open]
        self._look_at_settings()
        if not open_alerts or not self._may_be_routed:
            return {"inhibited": _NONE}
        from core.alerts.routing.in_force import inhibited_by, routing_in_force
        from core.alerts.routing.placement import Placements

        config = routing_in_force(self._workspace)
        if self._placements is None or self._placements.config is not config:
            self._placements = Placements(config)
        return {"inhibited": MappingProxyType(dict(inhibited_by(self._placements, open_alerts)))}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        return (Mapped("inhibited", str),)

    def _look_at_settings(self) -> None:
        """Look which routing file the settings name; they are read again once one of their files changes."""
        from core.settings import SettingsError, settings_in_force
        from core.settings.in_force import settings_files

        root = self._workspace.root
        mark = tuple(map(file_mark, settings_files(root)))
        if mark == self._settings_mark:
            return
        self._settings_mark = mark
        try:
            given = settings_in_force(root).alerts.routing
        except SettingsError:  # the part of the settings says so; an engine may follow a file that they named before
            self._may_be_routed = True
            return
        self._may_be_routed = given is not None
        self._file = None
        if given is not None:
            from core.alerts.routing.reading import routing_file

            self._file = routing_file(root, given)


class _Same:
    """A value that is equal to itself alone: comparing thousands of alerts with others takes long."""

    def __init__(self, value: object) -> None:
        self._value = value

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    @override
    def __hash__(self) -> int:
        return id(self._value)
