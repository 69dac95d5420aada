"""report.html: a run's report as one page that needs nothing else, neither scripts nor a network.

Read on from `page.py`: what the page says is in `accuracy.py`, `participants.py`, `costs.py` and `statements.py`; how
a plot is drawn in `line_plot.py`, `bar_plot.py` and `scales.py`. All text is escaped in `markup.py`.
"""

from server.report_page.page import render_report

__all__ = ["render_report"]
