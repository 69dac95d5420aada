"""What the rounds took: time and traffic; and gas, which stands beside the ledger's record."""

from server.report_page.bar_plot import BarPlot, Part
from server.report_page.markup import Html, element
from server.report_page.quantities import Quantity, byte_quantity, duration_text, time_quantity
from server.report_page.series import Rows, Values, round_numbers, row_values
from server.report_page.tables import figure

# the key of the rows for each phase of a round, in its order
_PHASES = (("Train", "train_seconds"), ("Score", "score_seconds"), ("Settle", "settle_seconds"))


def total_seconds(rows: Rows) -> float:
    """Return the wall time of all rounds."""
    return sum(_total(row_values(rows, key)) for _, key in _PHASES)


def costs_section(rows: Rows) -> Html:
    """Return the plots of time and traffic."""
    return element("div", _time(rows), _traffic(rows), class_="pair")


def _time(rows: Rows) -> Html:
    by_phase = {name: row_values(rows, key) for name, key in _PHASES}
    quantity = time_quantity(sum(one or 0.0 for one in phases) for phases in zip(*by_phase.values(), strict=True))
    parts = [Part(name, values, look) for look, (name, values) in enumerate(by_phase.items(), start=1)]
    spent = ", ".join(f"{name.lower()} {duration_text(_total(values))}" for name, values in by_phase.items())
    return figure(
        BarPlot("time", "Time of each round", quantity, round_numbers(rows), parts),
        f"{duration_text(sum(_total(values) for values in by_phase.values()))} in all: {spent}.",
        "Wall time of the three phases: clients train, peers score, the coordinator fuses and settles.",
    )


def _traffic(rows: Rows) -> Html:
    down, up = row_values(rows, "bytes_down"), row_values(rows, "bytes_up")
    quantity = byte_quantity((*down, *up))
    return figure(
        BarPlot(
            "traffic",
            "Traffic of each round",
            quantity,
            round_numbers(rows),
            [Part("Down to the clients", down, 1), Part("Up from the clients", up, 4)],
            stacked=False,
        ),
        f"{bytes_text(_total(down))} down and {bytes_text(_total(up))} up in all.",
        "Models and updates of all clients together. Updates travel down as well, to the peers that score them.",
    )


def gas_figure(rows: Rows) -> Html:
    """Return the plot of gas; a ledger that costs none says so."""
    gas = row_values(rows, "gas")
    plot = BarPlot("gas", "Gas of each round", Quantity("gas", decimals=0), round_numbers(rows), [Part("Gas", gas, 1)])
    if plot.empty and any(value is not None for value in gas):
        return element(
            "figure", element("figcaption", element("h3", plot.title), element("p", "This ledger costs no gas."))
        )
    return figure(plot, f"{_total(gas):,.0f} in all.", "What the transactions of a round used on the chain.")


def bytes_text(count: float) -> str:
    """Write a number of bytes in the unit that reads best."""
    return byte_quantity([count]).text(count, with_unit=True)


def _total(values: Values) -> float:
    return sum(value or 0.0 for value in values)
