"""Tables, and the frame around a plot with its figures as a table."""

from collections.abc import Iterable, Sequence

from server.report_page.bar_plot import BarPlot, draw_bars
from server.report_page.frame import Column
from server.report_page.line_plot import LinePlot, draw_lines
from server.report_page.markup import Content, Html, element

_NO_FIGURES = "There are no figures for this yet."


def figure(plot: LinePlot | BarPlot, reading: str, explanation: str = "") -> Html:
    """Return a plot with its title, what it shows in a sentence, and its figures as a table.

    Args:
        plot: May be empty.
        reading: What the plot shows, for those who do not see it too.
        explanation: What the values are.
    """
    if plot.empty:
        content: Content = element("p", _NO_FIGURES, class_="quiet")
    else:
        drawn = draw_lines(plot, reading) if isinstance(plot, LinePlot) else draw_bars(plot, reading)
        content = (
            element("div", drawn, class_="drawn"),
            element("details", element("summary", "Figures as a table"), _figures(plot)),
        )
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", plot.title),
            element("p", explanation, class_="quiet") if explanation else "",
            element("p", reading) if not plot.empty else "",
        ),
        content,
    )


def table(name: str, heads: Sequence[str], rows: Iterable[Sequence[Content]], class_: str | None = None) -> Html:
    """Return a table that scrolls sideways where it is too wide.

    Args:
        name: What it holds, read aloud.
        heads: The columns' names; the first column names the rows.
        rows: As many cells each.
        class_: For the style sheet.
    """
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", (element("th", head, scope="col") for head in heads))),
            element("tbody", (_row(cells) for cells in rows)),
            class_=class_,
        ),
        class_="scroll",
        role="region",
        aria_label=name,
        tabindex="0",
    )


def _row(cells: Sequence[Content]) -> Html:
    return element("tr", element("th", cells[0], scope="row"), (element("td", cell) for cell in cells[1:]))


def _figures(plot: LinePlot | BarPlot) -> Html:
    columns: list[Column] = plot.columns()
    unit = f" ({plot.quantity.unit})" if plot.quantity.unit else ""
    rows = ([str(number), *(column.texts[place] for column in columns)] for place, number in enumerate(plot.rounds))
    return table(f"{plot.title}{unit}", ["Round", *(column.head for column in columns)], rows, class_="figures")
