"""What is answered about wanted requests; nothing heavy is imported here, since the control API starts from it."""

from datetime import datetime

import msgspec

from core.monitoring.documents import LabelsPart


class WantedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A row whose outcome is wanted; report it as POST outcomes takes it."""

    request_id: str
    row: int  # of the request, counted from 0
    chance: float  # in one draw


class WantedRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded requests to find outcomes for, in this order."""

    model: str
    version: str
    draw: str  # its id
    is_new: bool  # False: it had been drawn before
    asked_at: datetime
    asked_by: str
    seed: int
    drawn_by: str  # what the chances follow
    loss: str
    held_out: float
    n_rows: int  # drawn from
    requests: tuple[WantedRequest, ...]
    labels: LabelsPart  # what is known so far, and by when it decides


class JudgedRequests(msgspec.Struct, frozen=True, kw_only=True):
    """What the outcomes of wanted requests prove."""

    model: str
    version: str
    labels: LabelsPart
