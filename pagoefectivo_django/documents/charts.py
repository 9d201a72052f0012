"""The geometry of a chart of stacked columns in SVG; a table beside the chart gives the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

#: Width, height and space for labels in units of the SVG, which scales to its place on the page.
WIDTH, HEIGHT, FOOT = 700, 180, 22
#: The number of colours in the style sheet; further series repeat the colours.
COLOURS = 4


@dataclass(frozen=True)
class Rectangle:
    """One piece of a column; ``colour`` counts from 1, ``title`` is shown under the pointer."""

    x: float
    y: float
    width: float
    height: float
    colour: int
    title: str


@dataclass(frozen=True)
class Label:
    """A text below a column; ``x`` is the column's middle."""

    x: float
    text: str


@dataclass(frozen=True)
class Columns:
    """A chart of stacked columns, with every position computed."""

    rectangles: list[Rectangle]
    labels: list[Label]
    #: The colour and name of each series.
    legend: list[tuple[int, str]]
    most: str
    width: int = WIDTH
    height: int = HEIGHT
    foot: int = FOOT


def columns(
    names: Sequence[str], series: Sequence[tuple[str, Sequence[tuple[Decimal, str]]]], most: str = ""
) -> Columns:
    """Return a chart with a column for each name, made of a piece for each series.

    Each series is a name and, for each column, a value and the piece's title. ``most`` is the text for the tallest
    column.
    """
    tallest = max((sum(values[place][0] for _, values in series) for place in range(len(names))), default=Decimal(0))
    step = WIDTH / max(1, len(names))
    scale = (HEIGHT - FOOT - 8) / float(tallest) if tallest else 0.0
    rectangles, labels = [], []
    for place, name in enumerate(names):
        bottom = float(HEIGHT - FOOT)
        for number, (_, values) in enumerate(series):
            value, title = values[place]
            if height := float(value) * scale:
                bottom -= height
                x = round(place * step + step * 0.15, 1)
                colour = number % COLOURS + 1
                rectangles.append(Rectangle(x, round(bottom, 1), round(step * 0.7, 1), round(height, 1), colour, title))
        labels.append(Label(round(place * step + step / 2, 1), name))
    legend = [(number % COLOURS + 1, name) for number, (name, _) in enumerate(series)]
    return Columns(rectangles, labels, legend, most)
