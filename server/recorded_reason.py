"""A reason as it is recorded: it may repeat what a client sent, and is read in terminals, pages and canonical JSON."""

MOST_CHARACTERS = 300
"""Of one recorded reason."""


def recorded_reason(text: str) -> str:
    """Return the text on one line, cut at `MOST_CHARACTERS`, a "?" for each character that nobody could see.

    Among these are line ends, terminal commands, marks that turn the direction of writing, and halves of surrogate
    pairs, which canonical JSON refuses.
    """
    return "".join(character if character.isprintable() else "?" for character in text[:MOST_CHARACTERS])
