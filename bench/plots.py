"""Bars as SVG, for bench/RESULTS.md: a small panel for each load, a bar for each broker, a whisker from the least to the most.

Every panel has its own scale that begins at zero, because loads differ a hundredfold; the figure stands beside its bar, so
that nothing must be read off an axis. Colours are told apart by those who see no red or green, and the sheet is light or dark as
the reader's is. Needs nothing but Python.
"""

import statistics
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Okabe and Ito's colours, which stay apart for all kinds of colour vision. A broker has the same in every picture.
KNOWN = {"nightjar": "#0072b2", "mosquitto": "#e69f00", "rumqttd": "#009e73", "rmqtt": "#cc79a7", "relay floor": "#999999",
         "napping floor": "#bbbbbb"}
OTHERS = ["#56b4e9", "#d55e00", "#b8a800"]
COLUMNS, WIDTH, GAP = 3, 300, 24
BAR, STEP, HEAD, EDGE = 12, 18, 24, 16
NUMBER = 92  # room for a figure right of the longest bar

STYLE = """
  .sheet { fill: #ffffff } text { fill: #1f2328; font: 12px system-ui, sans-serif } .title { font-size: 15px; font-weight: 600 }
  .load { font-weight: 600 } .axis { stroke: #8b949e } .whisker { stroke: #1f2328; stroke-width: 1.2 }
  @media (prefers-color-scheme: dark) { .sheet { fill: #0d1117 } text { fill: #e6edf3 } .whisker { stroke: #e6edf3 } }
"""


@dataclass
class Panel:
    """One load: its name, and the runs' figures by broker."""

    name: str
    values: dict
    digits: int


def bars(title, panels, brokers):
    """The whole picture, as text."""
    guests = [b for b in brokers if b not in KNOWN]
    colours = {**KNOWN, **{b: OTHERS[i % len(OTHERS)] for i, b in enumerate(guests)}}
    parts = []
    y = EDGE + 20
    x = EDGE
    for broker in brokers:
        parts.append(f'<rect x="{x}" y="{y + 2}" width="12" height="12" fill="{colours[broker]}"/>')
        parts.append(f'<text x="{x + 17}" y="{y + 12}">{escape(broker)}</text>')
        x += 34 + 7 * len(broker)
    y += 30
    for at in range(0, len(panels), COLUMNS):
        row = panels[at : at + COLUMNS]
        for column, panel in enumerate(row):
            parts += draw(panel, brokers, colours, EDGE + column * (WIDTH + GAP), y)
        y += HEAD + STEP * max(len(p.values) for p in row) + GAP
    width = 2 * EDGE + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="sheet" width="{width}" height="{y}"/>\n'
        f'<text class="title" x="{EDGE}" y="{EDGE + 8}">{escape(title)}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def draw(panel, brokers, colours, x, y):
    most = max((max(v) for v in panel.values.values()), default=0) or 1
    long = (WIDTH - NUMBER) / most
    name = panel.name if len(panel.name) <= 44 else panel.name[:43] + "…"
    yield f'<text class="load" x="{x}" y="{y + 10}">{escape(name)}<title>{escape(panel.name)}</title></text>'
    y += HEAD - 4
    yield f'<line class="axis" x1="{x}" y1="{y - 2}" x2="{x}" y2="{y + STEP * len(panel.values)}"/>'
    for broker in brokers:
        if broker not in panel.values:
            continue
        values = panel.values[broker]
        median, least, greatest = statistics.median(values), min(values), max(values)
        middle = y + BAR / 2
        words = f"{broker}: {median:,.{panel.digits}f} ({least:,.{panel.digits}f}–{greatest:,.{panel.digits}f})"
        yield (
            f'<rect x="{x}" y="{y}" width="{max(median * long, 1):.1f}" height="{BAR}" fill="{colours[broker]}">'
            f"<title>{escape(words)}</title></rect>"
        )
        if len(values) > 1:
            a, b = x + least * long, x + greatest * long
            yield (
                f'<path class="whisker" fill="none" d="M{a:.1f} {middle - 3}v6M{a:.1f} {middle}H{b:.1f}M{b:.1f} {middle - 3}v6"/>'
            )
        end = x + max(greatest * long, median * long) + 5
        yield f'<text x="{end:.1f}" y="{y + BAR - 2}">{median:,.{panel.digits}f}</text>'
        y += STEP
