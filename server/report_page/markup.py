"""HTML that is escaped unless it says that it is HTML.

A client's refusal can carry any text, so nothing here writes text into a page without escaping it. What comes out is
well-formed XML too (every element closed, every attribute quoted), which is how the tests read it.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

# What XML cannot hold: control characters, halves of surrogate pairs (which JSON can spell) and two non-characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Marks that make text read backwards, by which a reason could show other words than it has.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_EMPTY_ELEMENTS = frozenset({"meta", "link", "path", "line", "rect", "circle"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content: TypeAlias = "str | Iterable[Content]"


def escaped(text: str) -> Html:
    """Return text as HTML that shows it; characters that no page may hold become U+FFFD."""
    return text if isinstance(text, Html) else Html(escape(_UNPRINTABLE.sub("\ufffd", text)))


def joined(*content: Content) -> Html:
    """Return pieces one after another, each escaped unless it is `Html`."""
    return Html("".join(escaped(one) if isinstance(one, str) else joined(*one) for one in content))


def element(name: str, /, *content: Content, **attributes: str | float | None) -> Html:
    """Return `<name attributes>content</name>`.

    Args:
        name: The tag's name.
        content: Escaped unless it is `Html`.
        attributes: `class_` writes class, `text_anchor` writes text-anchor; None leaves the attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY_ELEMENTS and not content:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{joined(*content)}</{name}>")


def _attribute_text(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def foreign(text: str, most: int = 300) -> Html:
    """Return text that somebody else wrote: cut where it is long, and unable to turn itself or its surroundings around.

    Args:
        text: Anything.
        most: Characters that are shown.
    """
    shown = _TURNING.sub("\ufffd", text)
    return element("bdi", shown if len(shown) <= most else f"{shown[:most]}…")
