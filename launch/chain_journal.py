"""The embedded chain's memory on disk: one line of JSON for every block, in order.

The first line fixes the genesis; every other line holds what its block was made from and the hash it got. A block is
acknowledged only after its line is on the disk, so a client that got an answer finds its block after a restart.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from common.bounded_json import parse_json
from common.errors import EnvironmentFailure

FORMAT = 1


@dataclass(frozen=True)
class BlockEntry:
    """What one block was made from: a signed transaction, a balance to set, or neither (an empty block)."""

    time: int
    """Unix time of the block, in seconds."""
    block_hash: bytes
    raw_transaction: bytes | None = None
    funded_account: bytes | None = None
    """The account whose balance was set, 20 bytes."""
    balance_wei: int = 0

    def to_line(self) -> bytes:
        """Return the entry as one line of JSON."""
        fields: dict[str, object] = {"time": self.time, "block": self.block_hash.hex()}
        if self.raw_transaction is not None:
            fields["raw"] = self.raw_transaction.hex()
        if self.funded_account is not None:
            fields |= {"account": self.funded_account.hex(), "wei": str(self.balance_wei)}
        return json.dumps(fields).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> "BlockEntry":
        """Read an entry back.

        Raises:
            ValueError, KeyError, TypeError, OverflowError: the line is not an entry.
        """
        fields = parse_json(line)
        return BlockEntry(
            time=int(fields["time"]),
            block_hash=bytes.fromhex(fields["block"]),
            raw_transaction=bytes.fromhex(fields["raw"]) if "raw" in fields else None,
            funded_account=bytes.fromhex(fields["account"]) if "account" in fields else None,
            balance_wei=int(fields.get("wei", 0)),
        )


class ChainJournal:
    """An open journal. Close it with `close`."""

    def __init__(self, path: Path, file: IO[bytes], genesis_time: int, entries: list[BlockEntry]) -> None:
        self.path = path
        self.genesis_time = genesis_time
        self.entries_at_opening = entries
        self._file = file

    @staticmethod
    def open(path: Path, chain_id: int, now: int) -> "ChainJournal":
        """Open the journal, or begin one whose genesis is at `now`.

        A last line without its end was cut off before its block was acknowledged: it is removed.

        Raises:
            EnvironmentFailure: the file is no journal of this format and chain, or another process has it open.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise EnvironmentFailure(
                f"The chain journal {path} is in use by another process; stop that run first."
            ) from error
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        file.truncate(len(whole))
        if not whole:
            journal = ChainJournal(path, file, now, [])
            genesis = {"format": FORMAT, "chain_id": chain_id, "genesis_time": now}
            journal._append_line(json.dumps(genesis).encode() + b"\n")
            return journal
        first, *lines = whole.splitlines()
        try:
            genesis = parse_json(first)
            if (genesis["format"], genesis["chain_id"]) != (FORMAT, chain_id):
                raise ValueError("another format or chain")
            return ChainJournal(path, file, int(genesis["genesis_time"]), list(map(BlockEntry.from_line, lines)))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            file.close()
            raise EnvironmentFailure(
                f"The chain journal {path} cannot be read ({error}); restore it, or start in an empty folder."
            ) from error

    def append(self, entry: BlockEntry) -> None:
        """Add one block and wait until it is on the disk."""
        self._append_line(entry.to_line())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append_line(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())
