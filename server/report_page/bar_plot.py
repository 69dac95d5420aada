"""Bars for each round, stacked or side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.report_page.frame import CANVASES, Canvas, Column, Frame, axes, lay_out, picture, readings
from server.report_page.markup import Html, element, joined
from server.report_page.quantities import Quantity
from server.report_page.series import Values

_FULL_WIDTH = 44.0


@dataclass(frozen=True)
class Part:
    """One kind of bar.

    Attributes:
        name: In the key, the table and under the pointer.
        values: At least 0; one a round, nothing where None.
        look: The style sheet's number of its colour; even ones are hatched as well.
    """

    name: str
    values: Values
    look: int


@dataclass(frozen=True)
class BarPlot:
    """What is drawn.

    Attributes:
        rounds: Ascending; every part has as many values.
        stacked: Parts stand on one another, first the lowest; else side by side.
    """

    key: str
    title: str
    quantity: Quantity
    rounds: Sequence[int]
    parts: Sequence[Part]
    stacked: bool = True

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for part in self.parts for value in part.values)

    def columns(self) -> list[Column]:
        """Return the figures as a table."""
        return [Column(part.name, [self.quantity.text(value) for value in part.values]) for part in self.parts]


def draw_bars(plot: BarPlot, description: str) -> Html:
    """Return a plot that is not empty, drawn once for each canvas, under a key of its parts."""
    return joined(_key(plot) if len(plot.parts) > 1 else "", (_draw(plot, canvas, description) for canvas in CANVASES))


def _draw(plot: BarPlot, canvas: Canvas, description: str) -> Html:
    by_round = list(zip(*([value or 0.0 for value in part.values] for part in plot.parts), strict=True))
    high = max(sum(values) if plot.stacked else max(values) for values in by_round)
    frame = lay_out(canvas, plot.quantity, plot.rounds, 0.0, high, right=8, inset=0.5)
    return picture(
        frame,
        plot.key,
        plot.title,
        description,
        axes(frame),
        joined(
            _stack(frame, plot, number, values) if plot.stacked else _side_by_side(frame, plot, number, values)
            for number, values in zip(plot.rounds, by_round, strict=True)
        ),
        readings(frame, plot.columns()),
    )


def _stack(frame: Frame, plot: BarPlot, number: int, values: Sequence[float]) -> Html:
    width = min(_FULL_WIDTH, frame.round_width * 0.72)
    foot = 0.0
    bars: list[Html] = []
    for part, value in zip(plot.parts, values, strict=True):
        bars.append(_bar(frame, part, frame.across(number) - width / 2, width, foot, foot + value))
        foot += value
    return joined(bars)


def _side_by_side(frame: Frame, plot: BarPlot, number: int, values: Sequence[float]) -> Html:
    width = min(_FULL_WIDTH, frame.round_width * 0.78) / len(plot.parts)
    start = frame.across(number) - width * len(plot.parts) / 2
    return joined(
        _bar(frame, part, start + place * width, width, 0.0, value)
        for place, (part, value) in enumerate(zip(plot.parts, values, strict=True))
    )


def _bar(frame: Frame, part: Part, x: float, width: float, foot: float, head: float) -> Html:
    if head <= foot:
        return Html()
    top, bottom = frame.up(head), frame.up(foot)
    # what is there is seen, however little it is
    height = max(bottom - top, 1.0)
    return element("rect", x=x, y=bottom - height, width=width, height=height, class_=f"bar b{part.look}")


def _key(plot: BarPlot) -> Html:
    return element(
        "p",
        (
            element("span", element("i", "", class_=f"swatch b{part.look}", aria_hidden="true"), part.name)
            for part in plot.parts
        ),
        class_="key",
    )
