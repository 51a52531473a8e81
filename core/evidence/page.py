"""A pack as one HTML page: no script and no network, light and dark, printable; every figure links to its source."""

from html import escape as _escape

from core.escape import escaped
from core.evidence.charts import svg_of
from core.evidence.pack import EvidenceChart, EvidencePack, EvidenceSection, EvidenceTable, Figure
from core.evidence.wording import (
    SOURCE_COLUMNS,
    SOURCES_ABOUT,
    STATUS_WORDS,
    figure_columns,
    origin_of,
    promise_of,
    proof_rows,
    title_of,
    vouched,
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --raised: #f6f8fa;
  --line: #d0d7de; --accent: #0a5bc4; --good: #116329; --warn: #8a5200; --bad: #a40e26; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --paper: #0d1117; --raised: #161b22;
  --line: #30363d; --accent: #79b8ff; --good: #56d364; --warn: #e3b341; --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .35rem; }
p { margin: .5rem 0; } .soft { color: var(--soft); }
a { color: var(--accent); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
.notice { border-left: 4px solid var(--warn); background: var(--raised); padding: .6rem .9rem; margin: 1rem 0; }
.status { font-size: .8rem; font-weight: 600; margin-left: .5rem; }
.complete { color: var(--good); } .partial { color: var(--warn); } .missing { color: var(--bad); }
.scroll { overflow-x: auto; margin: .35rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td.figure, th.figure { text-align: right; }
td { overflow-wrap: anywhere; } td.figure { overflow-wrap: normal; font-variant-numeric: tabular-nums; }
sup a { font-size: .7rem; margin-left: .15rem; }
code, .hash { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .82rem; overflow-wrap: anywhere; }
ul.lacks { margin: .35rem 0; padding-left: 1.2rem; } ul.lacks li::marker { color: var(--bad); }
figure { margin: 1rem 0; } figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .35rem; }
svg { width: 100%; height: auto; max-width: 44rem; }
svg text { font: 12px system-ui, "Liberation Sans", sans-serif; fill: var(--ink); } svg .label { fill: var(--soft); }
svg .bar, svg .mark { fill: var(--accent); } svg .line { fill: none; stroke: var(--accent); stroke-width: 2; }
svg .axis { stroke: var(--line); } nav ol { columns: 2; padding-left: 1.5rem; } @media (max-width: 40rem) {
  nav ol { columns: 1; } body { padding: 1rem .75rem 3rem; } }
@media print { :root { --ink: #000; --soft: #333; --paper: #fff; --raised: #f4f4f4; --line: #999; --accent: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; } h2 { break-after: avoid; } h3 { break-after: avoid; }
  tr, figure, .notice { break-inside: avoid; } .scroll { overflow: visible; } @page { margin: 18mm 15mm; } }
"""


def page_of(pack: EvidencePack) -> bytes:
    """Write the page; the same pack gives the same bytes."""
    sections = "\n".join(map(_section, pack.sections))
    contents = "\n".join(
        f'<li value="{each.number}"><a href="#section-{each.number}">{_text(each.title)}</a> '
        f'<span class="status {each.status}">{STATUS_WORDS[each.status]}</span></li>'
        for each in pack.sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Evidence {_text(pack.pack_id)}: {_text(pack.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{_text(title_of(pack))}</h1>
<p class="soft">{_text(origin_of(pack))}</p>
<p class="notice">{_text(pack.notice)}</p>
<p>{_text(promise_of(pack))}
<code>bondx evidence verify</code> checks this file on any machine.</p>
</header>
<nav aria-label="Sections"><ol>
{contents}
</ol></nav>
<main>
{sections}
{_sources(pack)}
{_proof(pack)}
</main>
</body>
</html>
""".encode()


def _section(section: EvidenceSection) -> str:
    parts = [
        f'<section id="section-{section.number}">',
        f"<h2>{section.number}. {_text(section.title)}"
        f'<span class="status {section.status}">{STATUS_WORDS[section.status]}</span></h2>',
        *(f"<p>{_text(paragraph)}</p>" for paragraph in section.paragraphs),
    ]
    if section.facts:
        rows = "".join(f'<tr><th scope="row">{_text(f.name)}</th>{_cell(f.value)}</tr>' for f in section.facts)
        parts.append(f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>')
    parts += map(_chart, section.charts)
    parts += map(_table, section.tables)
    if section.missing:
        lacks = "".join(f"<li>{_text(sentence)}</li>" for sentence in section.missing)
        parts.append(f'<h3>Missing</h3><ul class="lacks">{lacks}</ul>')
    return "\n".join([*parts, "</section>"])


def _table(table: EvidenceTable) -> str:
    figures = figure_columns(table)
    head = "".join(
        f'<th scope="col"{_CLASS if is_figure else ""}>{_text(name)}</th>'
        for name, is_figure in zip(table.columns, figures, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(_cell(cell, is_figure) for cell, is_figure in zip(row, figures, strict=True)) + "</tr>"
        for row in table.rows
    )
    about = f'<p class="soft">{_text(table.about)}</p>' if table.about else ""
    return (
        f'<h3>{_text(table.title)}</h3>{about}<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


_CLASS = ' class="figure"'


def _cell(figure: Figure, is_figure: bool = False) -> str:
    return f"<td{_CLASS if is_figure else ''}>{_text(figure.text)}{_link(figure.source)}</td>"


def _link(source: str) -> str:
    return f'<sup><a href="#{_text(source)}" title="source {_text(source)}">{_text(source)}</a></sup>' if source else ""


def _chart(chart: EvidenceChart) -> str:
    unit = f" ({_text(chart.unit)})" if chart.unit else ""
    return f"<figure><figcaption>{_text(chart.title)}{unit}{_link(chart.source)}</figcaption>{svg_of(chart)}</figure>"


def _sources(pack: EvidencePack) -> str:
    rows = "".join(
        f'<tr id="{_text(source.id)}"><td>{_text(source.id)}</td><td>{_text(source.kind)}</td>'
        f'<td>{_text(source.place)}</td><td class="hash">{_text(source.sha256)}</td>'
        f"<td>{_text(vouched(source))}</td></tr>"
        for source in pack.sources
    )
    head = "".join(f"<th>{_text(name)}</th>" for name in SOURCE_COLUMNS)
    return (
        f'<section id="sources"><h2>Sources</h2><p>{_text(SOURCES_ABOUT.format(file="page"))}</p>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _proof(pack: EvidencePack) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td class="hash">{_text(value)}</td></tr>'
        for name, value in proof_rows(pack)
    )
    return f'<section id="proof"><h2>Proof</h2><div class="scroll"><table><tbody>{rows}</tbody></table></div></section>'


def _text(text: object) -> str:
    return _escape(escaped(str(text)))
