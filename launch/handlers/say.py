"""What a command says to a person, and to nobody where the output is for a program."""

import argparse


def say(parsed: argparse.Namespace, sentence: str) -> None:
    """Print a sentence, unless --json was asked for."""
    if not parsed.json:
        print(sentence)  # noqa: T201
