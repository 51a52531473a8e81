"""Charts as SVG, drawn by hand: no script, no network, readable in light, in dark and on paper."""

from html import escape

from core.evidence.pack import EvidenceChart
from core.evidence.sources import spelled

_WIDTH, _ROW, _LABEL, _VALUE = 640, 22, 210, 80
_HEIGHT = 180


def svg_of(chart: EvidenceChart, *, style: str = "") -> str:
    """Draw a chart; its title and its values are text in the picture, too.

    Args:
        chart: The chart.
        style: CSS of its classes, for a picture that stands alone; a page has its own.
    """
    return _framed(chart, *(_bars(chart) if chart.kind == "bars" else _line(chart)), style)


def told_of(chart: EvidenceChart) -> str:
    """Return the values of a chart as a sentence, for readers without pictures."""
    return "; ".join(f"{name} {spelled(value)}" for name, value in zip(chart.names, chart.values, strict=True))


def _bars(chart: EvidenceChart) -> tuple[int, str]:
    room = _WIDTH - _LABEL - _VALUE
    low, high = min(0.0, *chart.values), max(0.0, *chart.values)
    scale = room / (high - low) if high > low else 0.0
    zero = _LABEL - low * scale
    rows = []
    for number, (name, value) in enumerate(zip(chart.names, chart.values, strict=True)):
        top = number * _ROW + 4
        left, length = (zero, value * scale) if value >= 0 else (zero + value * scale, -value * scale)
        rows.append(
            f'<text class="label" x="{_LABEL - 8}" y="{top + 12}" text-anchor="end">{escape(_cut(name))}</text>'
            f'<rect class="bar" x="{left:.1f}" y="{top}" width="{max(length, 0.5):.1f}" height="{_ROW - 8}" rx="2"/>'
            f'<text class="value" x="{_WIDTH - _VALUE + 8}" y="{top + 12}">{escape(spelled(value))}</text>'
        )
    axis = f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{len(rows) * _ROW}"/>'
    return len(rows) * _ROW + 4, "".join(rows) + axis


def _line(chart: EvidenceChart) -> tuple[int, str]:
    low, high = min(chart.values), max(chart.values)
    spread = high - low or 1.0
    step = (_WIDTH - 100) / (len(chart.values) - 1)
    points = [
        (70 + number * step, _HEIGHT - 30 - (value - low) / spread * (_HEIGHT - 50))
        for number, value in enumerate(chart.values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points if len(points) <= 60)
    texts = (
        f'<text class="value" x="62" y="24" text-anchor="end">{escape(spelled(high))}</text>'
        f'<text class="value" x="62" y="{_HEIGHT - 27}" text-anchor="end">{escape(spelled(low))}</text>'
        f'<text class="label" x="70" y="{_HEIGHT - 8}">{escape(_cut(chart.names[0]))}</text>'
        f'<text class="label" x="{_WIDTH - 30}" y="{_HEIGHT - 8}" text-anchor="end">'
        f"{escape(_cut(chart.names[-1]))}</text>"
    )
    axis = f'<line class="axis" x1="70" x2="{_WIDTH - 30}" y1="{_HEIGHT - 24}" y2="{_HEIGHT - 24}"/>'
    return _HEIGHT, f'{axis}<polyline class="line" points="{path}"/>{marks}{texts}'


def _framed(chart: EvidenceChart, height: int, inner: str, style: str) -> str:
    css = f"<style>{style}</style>" if style else ""
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(chart.title)}</title><desc>{escape(told_of(chart))}</desc>{css}{inner}</svg>"
    )


def _cut(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:31]}…"
