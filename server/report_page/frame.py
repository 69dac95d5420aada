"""What every plot has: its size, axes, grid, title for those who do not see it, and values under the pointer."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.report_page.markup import Html, element, joined
from server.report_page.quantities import Quantity, number_text
from server.report_page.scales import Scale, nice_ticks, round_ticks, tick_decimals

# Rough width of a character of the plots' 12 px type, wide fonts included.
CHARACTER = 7.3
_TOP, _BOTTOM, _LEFT_OF_TICKS = 28, 40, 10


@dataclass(frozen=True)
class Column:
    """A series as text, for the table and under the pointer: its name, and one text a round."""

    head: str
    texts: Sequence[str]


@dataclass(frozen=True)
class Canvas:
    """A size in which a plot is drawn. Type is not scaled with it: what a phone shows is drawn for a phone.

    Attributes:
        name: The class under which the style sheet shows it.
        width, height: In CSS pixels, about.
    """

    name: str
    width: float
    height: float


WIDE = Canvas("wide", 520, 280)
NARROW = Canvas("narrow", 340, 250)
CANVASES = (WIDE, NARROW)


@dataclass(frozen=True)
class Frame:
    """The axes of one plot on one canvas.

    Attributes:
        across: Where a round is drawn; bars stand around it.
        up: Where a value is drawn.
        ticks: Values that have a grid line.
    """

    canvas: Canvas
    quantity: Quantity
    rounds: Sequence[int]
    across: Scale
    up: Scale
    ticks: Sequence[float]

    @property
    def round_width(self) -> float:
        """The room of one round."""
        return self.across(1) - self.across(0)


def lay_out(
    canvas: Canvas, quantity: Quantity, rounds: Sequence[int], low: float, high: float, right: float, inset: float
) -> Frame:
    """Place the axes.

    Args:
        canvas: The size.
        quantity: How values are written.
        rounds: Ascending, at least one.
        low, high: Values that the plot has to show.
        right: Room kept free on the right, for labels.
        inset: Rounds kept free before the first and after the last: 0.5 for bars, 0 for lines.
    """
    scaled = nice_ticks(low / quantity.divisor, high / quantity.divisor)
    ticks = tuple(tick * quantity.divisor for tick in scaled)
    widest = max(len(text) for text in _tick_texts(quantity, ticks))
    first, last = rounds[0] - inset, rounds[-1] + inset
    if first == last:
        # a single point stands near the names of the lines
        first, last = first - 0.8, last + 0.2
    return Frame(
        canvas,
        quantity,
        rounds,
        Scale(first, last, _LEFT_OF_TICKS + CHARACTER * widest + 6, canvas.width - right),
        Scale(ticks[0], ticks[-1], canvas.height - _BOTTOM, _TOP),
        ticks,
    )


def axes(frame: Frame) -> Html:
    """Draw grid, ticks and names of both axes."""
    left, right, bottom = frame.across.start, frame.across.end, frame.up.start
    pieces: list[Html] = []
    for tick, text in zip(frame.ticks, _tick_texts(frame.quantity, frame.ticks), strict=True):
        height = frame.up(tick)
        pieces.append(element("line", x1=left, x2=right, y1=height, y2=height, class_="grid" if tick else "grid zero"))
        pieces.append(element("text", text, x=left - 6, y=height + 4, text_anchor="end"))
    fitting = max(2, int((right - left) / 34))
    for number in round_ticks(frame.rounds[0], frame.rounds[-1], fitting):
        pieces.append(element("text", str(number), x=frame.across(number), y=bottom + 18, text_anchor="middle"))
    if frame.quantity.unit:
        pieces.append(element("text", frame.quantity.unit, x=2, y=13, class_="axis"))
    pieces.append(element("text", "round", x=(left + right) / 2, y=frame.canvas.height - 4, class_="axis middle"))
    return joined(pieces)


def readings(frame: Frame, columns: Sequence[Column]) -> Html:
    """Draw, over each round, an unseen column that shows the round's values while the pointer rests on it."""
    pieces: list[Html] = []
    for place, number in enumerate(frame.rounds):
        middle = frame.across(number)
        # half way to the neighbours, and not beyond the axes
        start = max(frame.across(number - 0.5), frame.across.start)
        end = min(frame.across(number + 0.5), frame.across.end)
        height = frame.up.start - frame.up.end
        values = "\n".join(f"{column.head}: {column.texts[place]}" for column in columns)
        pieces.append(
            element(
                "g",
                element("line", x1=middle, x2=middle, y1=frame.up.end, y2=frame.up.start),
                element(
                    "rect",
                    element("title", f"Round {number}\n{values}"),
                    x=start,
                    y=frame.up.end,
                    width=end - start,
                    height=height,
                ),
                class_="reading",
            )
        )
    return joined(pieces)


def picture(frame: Frame, key: str, title: str, description: str, *content: Html) -> Html:
    """Return the SVG.

    Args:
        frame: The axes.
        key: A word that no other plot of the page has.
        title, description: Read aloud instead of the picture.
        content: What is drawn.
    """
    name = f"{key}-{frame.canvas.name}"
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-text"),
        *content,
        viewBox=f"0 0 {frame.canvas.width:.0f} {frame.canvas.height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-text",
        class_=f"plot {frame.canvas.name}",
    )


def _tick_texts(quantity: Quantity, ticks: Sequence[float]) -> list[str]:
    scaled = [tick / quantity.divisor for tick in ticks]
    decimals = tick_decimals(scaled)
    return [number_text(tick, decimals, quantity.signed) for tick in scaled]
