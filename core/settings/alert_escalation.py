"""The parts of the `alerts` block on escalation: its steps, and the rotations of people on call."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from core.settings.names import Name

MOST_STEPS = 20
MOST_POLICIES = 100
MOST_OVERRIDES = 200
WEEKDAYS: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_DATE_FORM = 'expected a date in quotes, such as "2026-03-02"'
_LOCAL_FORM = 'expected a time in quotes, such as "2026-12-24T09:00", or with an offset, as "2026-12-24T08:00Z"'
LocalInstant = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}(-[0-9]{2}){2}[T ][0-9]{2}(:[0-9]{2}){1,2}(Z|[+-][0-9]{2}:[0-9]{2})?(?![\s\S])",
        extra={"form_of_text": _LOCAL_FORM},
    ),
]
MatcherText = Annotated[
    str,
    Meta(
        pattern=r"^[^=!~]+(=~|!~|!=|=)[\s\S]*(?![\s\S])",
        max_length=1_000,
        extra={"form_of_text": "expected a matcher such as model=spread or 'model=~\"spread.*\"'"},
    ),
]


class EscalationStepSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told when nobody has acknowledged an alert for some minutes."""

    after_minutes: Annotated[
        float, Meta(ge=0, le=10_080, description="Minutes since the alert began to fire, without acknowledgement.")
    ]
    receivers: Annotated[list[Name], Meta(description="Receivers that are told.", max_length=50)] = []
    oncall: Annotated[Name | None, Meta(description="A rotation: whoever is on call is told.")] = None

    def __post_init__(self) -> None:
        if not self.receivers and self.oncall is None:
            raise ValueError(f"the step after {self.after_minutes:g} minutes tells nobody: give it receivers or oncall")


class EscalationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The steps for some alerts. An alert follows the first entry of the list that accepts it."""

    severity: Annotated[
        Literal["info", "warning", "critical"] | None, Meta(description="Only alerts of this severity.")
    ] = None
    matchers: Annotated[
        list[MatcherText], Meta(description="Only alerts whose labels all of them accept.", max_length=50)
    ] = []
    steps: Annotated[
        list[EscalationStepSettings],
        Meta(description="Who is told after how many minutes.", min_length=1, max_length=MOST_STEPS),
    ]


class RotationOverrideSettings(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"starts_at": "from", "ends_at": "to"},
):
    """Somebody who takes over for a time."""

    starts_at: Annotated[LocalInstant, Meta(description="When it begins, in the zone of the rotation.")]
    ends_at: Annotated[LocalInstant, Meta(description="When it ends.")]
    receiver: Annotated[Name, Meta(description="The receiver of the person who takes over.")]


class RotationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """People who take turns on call."""

    people: Annotated[
        list[Name], Meta(description="The receivers of the people, in their order.", min_length=1, max_length=200)
    ]
    starts_on: Annotated[
        str,
        Meta(
            pattern=r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9](?![\s\S])",
            description="The date from which the first is on call.",
            extra={"form_of_text": _DATE_FORM},
        ),
    ]
    time_zone: Annotated[str, Meta(description="The zone of the handover, such as Europe/Zurich.", max_length=100)] = (
        "UTC"
    )
    handover: Annotated[
        str,
        Meta(
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](?![\s\S])",
            description="The local time at which the next takes over.",
            extra={"form_of_text": 'expected a time of day in quotes, such as "09:00"'},
        ),
    ] = "09:00"
    weekday: Annotated[
        Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | None,
        Meta(description="The day of the handover; null: counted from starts_on."),
    ] = None
    days: Annotated[int, Meta(ge=1, le=366, description="The length of a turn, days.")] = 7
    overrides: Annotated[
        list[RotationOverrideSettings],
        Meta(description="Who takes over for a time; of several at once, the last counts.", max_length=MOST_OVERRIDES),
    ] = []

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, OSError, ValueError):  # none of this name, a folder, or a path
            raise ValueError(f"there is no time zone {self.time_zone!r}: write one as Europe/Zurich") from None
        _require(date.fromisoformat, self.starts_on, "starts_on")
        if self.first_day.year < 1970 or self.first_day.year > 9000:
            raise ValueError(f"starts_on {self.starts_on!r} is outside the years 1970 to 9000")
        if self.weekday is not None and self.days % 7:
            raise ValueError(f"a turn of {self.days} days has no fixed weekday: use 7, 14, ... days, or leave it out")
        for each in self.overrides:
            for name, text in (("from", each.starts_at), ("to", each.ends_at)):
                _require(datetime.fromisoformat, text, f"{name} of an override")
                if not 1970 <= datetime.fromisoformat(text).year <= 9000:
                    raise ValueError(f"{name} of an override, {text!r}, is outside the years 1970 to 9000")
            if self.instant(each.starts_at) >= self.instant(each.ends_at):
                raise ValueError(f"the override from {each.starts_at} to {each.ends_at} ends before it begins")

    @property
    def first_day(self) -> date:
        """The date from which the first person is on call."""
        return date.fromisoformat(self.starts_on)

    @property
    def handover_time(self) -> time:
        """The local time of the handover."""
        return time.fromisoformat(self.handover)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the handover."""
        return ZoneInfo(self.time_zone)

    def instant(self, text: str) -> datetime:
        """Return the instant of an override; without an offset it is in the zone of the rotation."""
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=self.zone)).astimezone(UTC)


def _require(read: object, text: str, name: str) -> None:
    assert callable(read)
    try:
        read(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is not in the calendar") from None
