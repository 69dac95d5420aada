"""The verified updates of a round as a restricted file, written before the ledger is told of them.

A restart takes the round's updates from here and not from whoever answers now: so it commits to the same root, even
where a client has gone meanwhile. Auditors find the salts of the commitments in it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.errors import CheckFailed, Rejected
from common.update import decode_update
from server.nesting import require_shallow
from server.run_folder import RunFolder
from server.verification import VerifiedUpdate

Rejections = tuple[tuple[str, str], ...]
_SALT_BYTES = 32


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
        require_shallow(data)
        record = json.loads(data.decode())
        updates = {}
        for one in record["updates"]:
            update_bytes = folder.get_update(one["update"])
            updates[one["account"]] = VerifiedUpdate(
                account=one["account"],
                update_bytes=update_bytes,
                name=one["update"],
                arrays=decode_update(update_bytes).arrays,
                commitment=bytes.fromhex(one["commitment"]),
                commitment_signature=bytes.fromhex(one["signature"]),
                salt=bytes.fromhex(one["salt"]),
                metrics=dict(one["metrics"]),
            )
        rejected = tuple((account, reason) for account, reason in record["rejected"])
        if _encoded(updates.values(), rejected) != data:  # nor does anybody stand there twice
            raise ValueError("it is not written as it was")
        if not all(isinstance(one.account, str) and len(one.salt) == _SALT_BYTES for one in updates.values()):
            raise ValueError("an account or a salt is none")
        return ReceivedUpdates(updates, rejected)
    except (ValueError, KeyError, TypeError, AttributeError, Rejected) as error:
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
