"""Shares and percentages as settings spell them, with the limits that a wrong one is refused by."""

from typing import Annotated

from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
PositiveShare = Annotated[float, Meta(gt=0, le=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
PositivePercent = Annotated[float, Meta(gt=0, le=100)]
