"""A client as a peer: score other clients' updates on the public probe set, and sign."""

import numpy as np

from client.store import ParticipantFolder
from client.training import received_state
from common.commitment import Score, commitment_of, score_message, sign
from common.data.probe import ProbeShard
from common.errors import Rejected
from common.models import Arrays, Model, model_of
from common.probe_scoring import MeasuredShard, ShardMetrics, state_with_update_alone
from common.update import decode_model, object_name
from common.update_check import open_update
from common.wire import PeerTask, RoundTask, SignedScore, Subject

WAD = 10**18


class PeerWork:
    """The costly part of scoring. A simulation, whose peers share a process, replaces it by one that remembers."""

    def measure(self, task: RoundTask, model: Model, state: Arrays, digest: bytes, shard: ProbeShard) -> MeasuredShard:
        """Measure the model that was sent on the shard of this digest."""
        del task, digest
        return MeasuredShard(model, state, shard)

    def apply_alone(self, task: PeerTask, model: Model, state: Arrays, subject: Subject) -> Arrays:
        """Check that an update is the one committed to, decode and check it, and take the server's step with it alone.

        Raises:
            Rejected: the update is malformed or not what was committed to; it gets no score from this peer.
        """
        run_id, server_round = task.round_task.run_id, task.round_task.server_round
        expected = commitment_of(run_id, server_round, subject.account, object_name(subject.update_bytes), subject.salt)
        if expected != subject.commitment:
            raise Rejected("the update is not the one committed to")
        item_count = decode_model(task.round_task.model_bytes).rows
        arrays = open_update(task.round_task.settings, model.at(state), subject.update_bytes, item_count)
        return state_with_update_alone(model, state, arrays, task.cohort_size)

    def gain(self, task: PeerTask, subject: Subject, measured: MeasuredShard, applied: Arrays) -> ShardMetrics:
        """Return the gain that is signed, of the state that `apply_alone` made.

        Raises:
            Rejected: the update gets no score from this peer.
        """
        del task, subject
        return measured.gain(applied)


def score(task: PeerTask, folder: ParticipantFolder, work: PeerWork) -> list[SignedScore]:
    """Answer an ``evaluate.peer`` message: one signed score for each update that can be scored.

    An update that does not match its commitment, is one's own, or names an unknown shard gets none: a peer signs
    only what it checked.
    """
    round_task = task.round_task
    account = folder.account
    model = model_of(round_task.settings)
    state = received_state(round_task, model, folder)
    measured: dict[bytes, MeasuredShard] = {}
    scores = []
    for subject in task.subjects:
        shard = folder.probe_shards.get(subject.shard)
        if subject.account == account.address or shard is None:
            continue
        try:
            applied = work.apply_alone(task, model, state, subject)
            if subject.shard not in measured:
                measured[subject.shard] = work.measure(round_task, model, state, subject.shard, shard)
            gained = work.gain(task, subject, measured[subject.shard], applied)
        except Rejected:
            continue
        judged = Score(subject.account, subject.commitment, subject.shard, _wad(gained.first), _wad(gained.second))
        message = score_message(round_task.domain, round_task.run_id, round_task.server_round, judged)
        scores.append(SignedScore(judged, sign(message, account.key)))
    return scores


def _wad(value: float) -> int:
    return int(np.floor(value * WAD))
