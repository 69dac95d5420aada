"""The verified updates of a round as a restricted file, written before the ledger is told of them.

A restart takes the round's updates from here and not from whoever answers now: so it commits to the same root, even
where a client has gone meanwhile. Auditors find the salts of the commitments in it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.bounded_json import parse_json
from common.errors import CheckFailed, Rejected
from common.update import decode_update
from server.fields import Fields, Malformed
from server.run_folder import RunFolder
from server.verification import VerifiedUpdate

Rejections = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ReceivedUpdates:
    """Updates by ascending account, and (account or node, reason) of what was left out."""

    updates: Mapping[str, VerifiedUpdate]
    rejected: Rejections


def keep_updates(
    folder: RunFolder, server_round: int, updates: Mapping[str, VerifiedUpdate], rejected: Sequence[tuple[str, str]]
) -> None:
    """Store the updates, then the file that names them: the round has these updates from this moment on."""
    for update in updates.values():
        folder.put_update(update.name, update.update_bytes)
    folder.put_received(server_round, _encoded(updates.values(), rejected))


def kept_updates(folder: RunFolder, server_round: int) -> ReceivedUpdates | None:
    """Read back what `keep_updates` stored, None where the round had not come so far.

    Raises:
        CheckFailed: the file or an update was altered or removed.
    """
    data = folder.get_received(server_round)
    if data is None:
        return None
    try:
        record = Fields(parse_json(data), "")
        updates = {one.account("account"): _update_of(one, folder) for one in record.objects("updates")}
        rejected = tuple(_rejection(entry) for entry in record.entries("rejected"))
        if _encoded(updates.values(), rejected) != data:  # nor does anybody stand there twice
            raise ValueError("it is not written as it was")
        return ReceivedUpdates(updates, rejected)
    except (ValueError, Rejected) as error:
        raise CheckFailed(
            f"The updates of round {server_round} in {folder.path} were altered ({error}); restore them from a backup."
        ) from error


def _encoded(updates: Iterable[VerifiedUpdate], rejected: Sequence[tuple[str, str]]) -> bytes:
    record = {
        "updates": [
            {
                "account": update.account,
                "update": update.name,
                "commitment": update.commitment.hex(),
                "signature": update.commitment_signature.hex(),
                "salt": update.salt.hex(),
                "metrics": dict(update.metrics),
            }
            for update in updates
        ],
        "rejected": [list(entry) for entry in rejected],
    }
    return json.dumps(record, indent=2).encode()


def _update_of(one: Fields, folder: RunFolder) -> VerifiedUpdate:
    name = one.hexadecimal("update", 32).hex()
    update_bytes = folder.get_update(name)
    return VerifiedUpdate(
        account=one.account("account"),
        update_bytes=update_bytes,
        name=name,
        arrays=decode_update(update_bytes).arrays,
        commitment=one.hexadecimal("commitment", 32),
        commitment_signature=one.hexadecimal("signature", 65),
        salt=one.hexadecimal("salt", 32),
        metrics=_metrics(one),
    )


def _metrics(one: Fields) -> Mapping[str, float]:
    metrics = one.raw("metrics")
    if not isinstance(metrics, dict) or not all(type(value) in (int, float) for value in metrics.values()):
        raise one.malformed("metrics", "they are not numbers by name")
    return metrics


def _rejection(entry: object) -> tuple[str, str]:
    if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(text, str) for text in entry):
        raise Malformed("rejected", "an entry is not a pair of texts")
    return entry[0], entry[1]
