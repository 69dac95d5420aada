"""Whose node this is, and whether its client takes part in a round."""

from datetime import datetime

from client.store import ParticipantFolder
from common.commitment import node_binding_message, sign
from common.introduction import Introduction
from common.wire import RoundTask


def introduce(task: RoundTask, node_id: int, folder: ParticipantFolder, absence: str = "") -> Introduction:
    """Say who is behind a node, and when this client takes part.

    Args:
        task: Run, round and signing domain.
        node_id: This node's.
        folder: The participant's.
        absence: Why it sits the round out, as `absence_from` returned it.
    """
    account = folder.account
    binding = sign(node_binding_message(task.domain, task.run_id, account.address, node_id), account.key)
    return Introduction(account.address, binding, folder.declaration, absence)


def absence_from(task: RoundTask, folder: ParticipantFolder, now: datetime) -> str:
    """Return why this client sits a round out, "" where it takes part; a round that it has answered it answers again.

    Args:
        task: The round.
        folder: The participant's, with its `availability.toml` if there is one.
        now: In UTC.
    """
    absence = folder.declaration.absence(now, task.settings.phase_timeout)
    if absence and folder.saved_reply(task.run_id, task.server_round, task.model_bytes) is not None:
        return ""
    return absence
