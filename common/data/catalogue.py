"""The public list of items that every client and the server count by; its hash is fixed when the run opens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import rfc8785
from eth_hash.auto import keccak

from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.data.dataset import Dataset
from common.errors import WrongUse


@dataclass(frozen=True)
class Catalogue:
    """Item i is `item_ids[i]`, called `titles[i]` where the data set has titles.

    Raises:
        ValueError: there are no items, an id stands twice, or there are not as many titles as items.
    """

    item_ids: tuple[str, ...]
    titles: tuple[str, ...] | None

    def __post_init__(self) -> None:
        if not self.item_ids or len(set(self.item_ids)) != len(self.item_ids):
            raise ValueError("item ids must be distinct, and at least one")
        if self.titles is not None and len(self.titles) != len(self.item_ids):
            raise ValueError("there must be one title for each item")

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return the catalogue of a data set."""
        return cls(dataset.item_ids, dataset.titles)

    def canonical(self) -> bytes:
        """Return canonical JSON (RFC 8785): {"item_ids": [...], "titles": [...] or null}."""
        titles = None if self.titles is None else list(self.titles)
        return rfc8785.dumps({"item_ids": list(self.item_ids), "titles": titles})

    def digest(self) -> bytes:
        """Return keccak256 of the canonical bytes: the catalogue hash on chain."""
        return keccak(self.canonical())

    def save(self, path: Path) -> None:
        """Write the canonical bytes, whole or not at all."""
        write_atomically(path, self.canonical())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a catalogue and check it.

        Raises:
            WrongUse: the file is missing or not a catalogue.
        """
        try:
            content = parse_json(path.read_bytes())
            titles = content["titles"]
            return cls(_texts(content["item_ids"]), None if titles is None else _texts(titles))
        except OSError as error:
            raise WrongUse(f"{path} cannot be read ({error.strerror}): let the launcher write it again.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise WrongUse(f"{path} is not a catalogue ({error}): let the launcher write it again.") from error


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("ids and titles must be lists of text")
    return tuple(values)
