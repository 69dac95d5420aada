"""Lines over the rounds, each named where it ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from server.report_page.frame import CANVASES, CHARACTER, Canvas, Column, Frame, axes, lay_out, picture, readings
from server.report_page.marks import MARKS
from server.report_page.markup import Html, element, joined
from server.report_page.quantities import Quantity
from server.report_page.scales import spread_apart
from server.report_page.series import Values

_LABEL_GAP = 14.0
_MOST_MARKERS = 9
_DENSE = 24  # rounds


@dataclass(frozen=True)
class Line:
    """One series.

    Attributes:
        label: Written where it ends; short.
        values: One a round; a gap where None.
        colour: 1 to 10, the style sheet's number of its colour and mark; 0 is a line without marks.
        name: Written in the table and under the pointer.
        dashed: Drawn as dashes.
        notes: What the table adds to each value; empty for nothing.
    """

    label: str
    values: Values
    colour: int
    name: str
    dashed: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Band:
    """The room between two series.

    Attributes:
        low, high: Both are gaps in the same rounds.
        name: Written in the table and under the pointer; "" leaves the band out there, and draws it fainter.
    """

    low: Values
    high: Values
    name: str = ""


@dataclass(frozen=True)
class LinePlot:
    """What is drawn.

    Attributes:
        rounds: Ascending; every series has as many values.
        includes: Values that the axis shows even where no series reaches them.
    """

    key: str
    title: str
    quantity: Quantity
    rounds: Sequence[int]
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    includes: Sequence[float] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for line in self.lines for value in line.values)

    def columns(self) -> list[Column]:
        """Return the figures as a table."""
        lines = [
            Column(
                line.name,
                [
                    f"{self.quantity.text(value)} {note}".rstrip()
                    for value, note in zip(line.values, line.notes or [""] * len(line.values), strict=True)
                ],
            )
            for line in self.lines
        ]
        bands = [
            Column(
                band.name,
                [
                    f"{self.quantity.text(low)} to {self.quantity.text(high)}"
                    for low, high in zip(band.low, band.high, strict=True)
                ],
            )
            for band in self.bands
            if band.name
        ]
        return [*lines, *bands]


def draw_lines(plot: LinePlot, description: str) -> Html:
    """Return a plot that is not empty, drawn once for each canvas."""
    return joined(_draw(plot, canvas, description) for canvas in CANVASES)


def _draw(plot: LinePlot, canvas: Canvas, description: str) -> Html:
    shown = [value for line in plot.lines for value in line.values if value is not None]
    shown += [value for band in plot.bands for edge in (band.low, band.high) for value in edge if value is not None]
    low, high = min((*shown, *plot.includes)), max((*shown, *plot.includes))
    right = 26 + CHARACTER * max(len(line.label) for line in plot.lines)
    frame = lay_out(canvas, plot.quantity, plot.rounds, low, high, right, inset=0)
    return picture(
        frame,
        plot.key,
        plot.title,
        description,
        axes(frame),
        joined(_band(frame, band) for band in plot.bands),
        joined(_line(frame, line) for line in plot.lines),
        _labels(frame, plot.lines),
        readings(frame, plot.columns()),
    )


def _points(frame: Frame, values: Values) -> list[list[tuple[float, float]]]:
    """Return where a series runs: one list of places for each stretch without a gap."""
    placed = [
        None if value is None else (frame.across(number), frame.up(value))
        for number, value in zip(frame.rounds, values, strict=True)
    ]
    return [
        [place for place in stretch if place is not None]
        for there, stretch in groupby(placed, key=lambda place: place is not None)
        if there
    ]


def _line(frame: Frame, line: Line) -> Html:
    stretches = _points(frame, line.values)
    drawn = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in stretch) for stretch in stretches if len(stretch) > 1)
    places = [place for stretch in stretches for place in stretch]
    alone = [stretch[0] for stretch in stretches if len(stretch) == 1]
    return element(
        "g",
        element("path", d=drawn, class_="dashed" if line.dashed else None) if drawn else "",
        (
            element("path", d=MARKS[max(0, line.colour - 1)], transform=f"translate({x:.1f} {y:.1f})", class_="mark")
            for x, y in (_marked(places, line.colour) if line.colour else alone)
        ),
        class_=f"line c{line.colour}" + (" dense" if len(frame.rounds) > _DENSE else ""),
    )


def _marked(places: Sequence[tuple[float, float]], colour: int) -> Sequence[tuple[float, float]]:
    """Choose the points that get a mark: the last, and so many others that lines of other colours mark elsewhere."""
    every = -(-len(places) // _MOST_MARKERS)
    return [*places[colour % every : -1 : every], *places[-1:]] if every else ()


def _band(frame: Frame, band: Band) -> Html:
    lower, upper = _points(frame, band.low), _points(frame, band.high)
    areas = "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (*_wide(above), *reversed(_wide(below)))) + "z"
        for below, above in zip(lower, upper, strict=True)
    )
    return element("path", d=areas, class_="band strong" if band.name else "band")


def _wide(edge: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return an edge of a band; that of one round alone is made wide enough to be seen."""
    return edge if len(edge) > 1 else [(x + side, y) for x, y in edge for side in (-8, 8)]


def _labels(frame: Frame, lines: Sequence[Line]) -> Html:
    """Name each line beside its last point, moved up or down where names would touch, with a thread to the point."""
    ended = [(line, places[-1][-1]) for line in lines if (places := _points(frame, line.values))]
    if not ended:
        return Html()
    top, bottom = frame.up.end, frame.up.start
    heights = spread_apart([y for _, (_, y) in ended], _LABEL_GAP, top, bottom)
    edge = frame.across.end
    return joined(
        (
            element("path", d=f"M{x + 6:.1f} {y:.1f}L{max(edge, x) + 12:.1f} {height:.1f}h4", class_="thread"),
            element("text", line.label, x=edge + 19, y=height + 4, class_=f"label c{line.colour}"),
        )
        for (line, (x, y)), height in zip(ended, heights, strict=True)
    )
