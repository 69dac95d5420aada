"""The verified updates of a round as a restricted file, written before the ledger is told of them.

A restart takes the round's updates from here and not from whoever answers now: so it commits to the same root, even
where a client has gone meanwhile. Auditors find the salts of the commitments in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from common.bounded_json import parse_json
from common.compression import expand
from common.errors import CheckFailed, Rejected
from common.update import decode_update
from server.fields import Fields, Malformed, as_account
from server.participation import Invitation
from server.run_folder import RunFolder
from server.verification import VerifiedUpdate

Rejections = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ReceivedUpdates:
    """What a round received.

    Attributes:
        updates: By ascending account.
        rejected: (account or node, reason) of what was left out.
        invitation: Whom the round asked.
    """

    updates: Mapping[str, VerifiedUpdate]
    rejected: Rejections
    invitation: Invitation


def keep_updates(folder: RunFolder, server_round: int, received: ReceivedUpdates) -> None:
    """Store the updates, then the file that names them: the round has these updates from this moment on."""
    for update in received.updates.values():
        folder.put_update(update.name, update.update_bytes)
    folder.put_received(server_round, _encoded(received))


def kept_updates(folder: RunFolder, server_round: int, compression: str) -> ReceivedUpdates | None:
    """Read back what `keep_updates` stored, None where the round had not come so far.

    Args:
        folder: Of the run.
        server_round: Which round.
        compression: Of the run's settings.

    Raises:
        CheckFailed: the file or an update was altered or removed.
    """
    data = folder.get_received(server_round)
    if data is None:
        return None
    try:
        record = Fields(parse_json(data), "")
        updates = {one.account("account"): _update_of(one, folder, compression) for one in record.objects("updates")}
        received = ReceivedUpdates(updates, _pairs(record, "rejected"), _invitation_of(record))
        if _encoded(received) != data:  # nor does anybody stand there twice
            raise ValueError("it is not written as it was")
        return received
    except (ValueError, Rejected) as error:
        raise CheckFailed(
            f"The updates of round {server_round} in {folder.path} were altered ({error}); restore them from a backup."
        ) from error


def _encoded(received: ReceivedUpdates) -> bytes:
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
            for update in received.updates.values()
        ],
        "rejected": [list(entry) for entry in received.rejected],
        "asked": list(received.invitation.asked),
        "passed_over": [list(entry) for entry in received.invitation.passed_over],
    }
    return json.dumps(record, indent=2).encode()


def _update_of(one: Fields, folder: RunFolder, compression: str) -> VerifiedUpdate:
    name = one.hexadecimal("update", 32).hex()
    update_bytes = folder.get_update(name)
    return VerifiedUpdate(
        account=one.account("account"),
        update_bytes=update_bytes,
        name=name,
        arrays=expand(decode_update(update_bytes), compression),
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


def _invitation_of(record: Fields) -> Invitation:
    asked = record.entries("asked")
    return Invitation(
        tuple(as_account(entry, f"asked[{index}]") for index, entry in enumerate(asked)), _pairs(record, "passed_over")
    )


def _pairs(record: Fields, key: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for entry in record.entries(key):
        if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(text, str) for text in entry):
            raise Malformed(key, "an entry is not a pair of texts")
        pairs.append((entry[0], entry[1]))
    return tuple(pairs)
