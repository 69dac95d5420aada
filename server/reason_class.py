"""From a recorded reason to one of a few classes: what a monitor counts must not be free text."""

from typing import Literal, get_args

ReasonClass = Literal[
    "no_answer",
    "app_failed",
    "sits_out",
    "unreadable",
    "identity",
    "commitment",
    "scores",
    "too_few",
    "zero_update",
    "copy",
    "gate",
    "update",
]
REASON_CLASSES: tuple[ReasonClass, ...] = get_args(ReasonClass)
_BEGINNINGS: tuple[tuple[str, ReasonClass], ...] = (
    ("no score", "scores"),  # "no scores: it did not answer" too: the update was there
    ("a score of", "scores"),
    ("a second score of", "scores"),
    ("the score of", "scores"),
    ("as a peer", "scores"),
    ("it did not answer", "no_answer"),
    ("the message could not be sent", "no_answer"),
    ("its app failed", "app_failed"),
    ("it sits this round out", "sits_out"),
    ("its reply", "unreadable"),
    ("the message", "unreadable"),
    ("the reply", "unreadable"),
    ("the record of metrics", "unreadable"),
    ("a metric", "unreadable"),
    ("metric '", "unreadable"),
    ("'", "unreadable"),
    ("account ", "identity"),
    ("the node's binding", "identity"),
    ("a second update", "identity"),
    ("the commitment", "commitment"),
    ("fewer than the", "too_few"),
    ("the update is zero", "zero_update"),
    ("the same bytes", "copy"),
    ("nearly the ", "copy"),
    ("its rows ", "gate"),
    ("a row is longer than so many users", "gate"),
    ("it says of items", "gate"),
)


def reason_class(reason: str) -> ReasonClass:
    """Return the class of a reason by its first words, which are the server's own; "update" for the rest.

    The rest is about the bytes and arrays of updates, whose checks every model has of its own.
    """
    return next((name for beginning, name in _BEGINNINGS if reason.startswith(beginning)), "update")
