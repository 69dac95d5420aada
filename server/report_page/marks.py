"""The marks by which lines are told apart without their colours."""

from server.report_page.markup import Html, element

# Around a centre, for the marks of the first, second, third line and so on: no two neighbours look alike.
MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.8L4.5 3.4h-9z",
    "M0-5L5 0L0 5L-5 0z",
    "M0 4.8L4.5-3.4h-9z",
    "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "M0-4.8L4.6-1.5L2.8 3.9h-5.6L-4.6-1.5z",
    "M-4.9-2.7L-2.7-4.9L0-2.2L2.7-4.9L4.9-2.7L2.2 0L4.9 2.7L2.7 4.9L0 2.2L-2.7 4.9L-4.9 2.7L-2.2 0z",
    "M-5.5-2.2h11v4.4h-11z",
    "M-2.2-5.5h4.4v11h-4.4z",
)


def mark(colour: int) -> Html:
    """Return the mark of a line by itself, to stand beside a name in the text."""
    return element(
        "svg",
        element("g", element("path", d=MARKS[colour - 1], class_="mark"), class_=f"line c{colour}"),
        viewBox="-7 -7 14 14",
        class_="sign",
        aria_hidden="true",
    )
