"""Shares and percentages in settings, with their valid ranges."""

from typing import Annotated

from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
PositiveShare = Annotated[float, Meta(gt=0, le=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
PositivePercent = Annotated[float, Meta(gt=0, le=100)]
