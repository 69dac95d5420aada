"""The round, as calls in order: train, commit, score, judge, fuse, settle."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from logging import INFO

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, Result

from common.data.probe import ProbeShard
from common.log_lines import log_context
from common.models import Model
from common.record_fields import bytes_record
from common.update import Packed, decode_model, encode_model
from common.wire import (
    MODEL_RECORD,
    PEER_EVALUATION,
    ROUND_RECORD,
    PeerTask,
    RoundTask,
    SignedScore,
    Subject,
    content_size,
    peer_content,
    read_round_task,
)
from server.aggregation import fusion_weights
from server.collected_replies import TrainPhase, collect_metrics, collect_scores, collect_updates
from server.exchange import exchange
from server.gates import gates_of, owed_scores
from server.inspection import fused_state, inspect_updates
from server.participation import updates_needed
from server.public_reference import PublicReference
from server.received_updates import ReceivedUpdates
from server.report import RoundCost
from server.round_nodes import RoundNodes
from server.run_recorder import RunRecorder
from server.score_audit import FalseScore, RecomputedGains, audit, liars, scores_that_count
from server.seed_chain import SeedChain, committee_seed
from server.selection import Assignment, draw_committees, trusted_evaluators
from server.settlement import commitment_root, settle
from server.verification import VerifiedUpdate


class ReputationFedAvg(FedAvg):
    """FedAvg whose weights are earned: peers score every update, and the ledger sees each step [T-FedRS, alg. 1].

    The last measurement is configured as in Flower's `FedAvg`; `start` is overridden because a round here has a second
    phase between training and aggregation, draws its clients so that others can draw them again, and because Flower's
    own loop sleeps three seconds between looks.

    Args:
        model: What is trained.
        item_count: Items in the catalogue.
        probe_pool: The public volunteers.
        seed_chain: The coordinator's hash chain for drawing committees.
        recorder: Ledger, evidence, checkpoint and report.
    """

    def __init__(
        self,
        model: Model,
        item_count: int,
        probe_pool: Sequence[ProbeShard],
        seed_chain: SeedChain,
        recorder: RunRecorder,
    ) -> None:
        settings = recorder.settings
        self._needed = updates_needed(settings)
        super().__init__(
            min_train_nodes=self._needed,
            min_evaluate_nodes=self._needed,
            min_available_nodes=self._needed,
            arrayrecord_key=MODEL_RECORD,
            configrecord_key=ROUND_RECORD,
        )
        self._model = model
        self._item_count = item_count
        self._pool = {shard.digest(): shard for shard in probe_pool}
        self._reference = PublicReference.of(probe_pool)
        self._seed_chain = seed_chain
        self._recorder = recorder
        self._settings = settings
        self._round_nodes = RoundNodes(settings, recorder.cohort, seed_chain, recorder.status)

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Callable[[int, ArrayRecord], MetricRecord | None] | None = None,
    ) -> Result:
        """Play the rounds that are not settled yet, then measure the last model.

        Args:
            grid: Flower's grid, or the in-process one.
            initial_arrays: The current model's bytes.
            num_rounds: The last round to play.
            timeout: Seconds that a phase waits for its replies.
            train_config: The round's record, as `common.wire.round_config` makes it.
            evaluate_config: The same for the last message; the training record where it is missing.
            evaluate_fn: Called with every new model, as in Flower.
        """
        result = Result(arrays=initial_arrays)
        train_config = train_config or ConfigRecord()
        for server_round in range(self._recorder.settled_rounds + 1, num_rounds + 1):
            if reason := self._recorder.stop_reason():
                log(INFO, "no further round: %s", reason)
                break
            self._recorder.status.wait_for_nodes(server_round, self._needed)
            with log_context(round=server_round):
                log(INFO, "[ROUND %s/%s]", server_round, num_rounds)
                result.arrays = self._play_round(grid, server_round, result.arrays, train_config, timeout)
            if evaluate_fn and (measured := evaluate_fn(server_round, result.arrays)):
                result.evaluate_metrics_serverapp[server_round] = measured
        if not self._settings.withhold_metrics:
            config = evaluate_config or train_config
            self._recorder.measured(self._final_metrics(grid, result.arrays, config, timeout))
            if (chosen := self._recorder.chosen_model()) is not None:  # an earlier one
                result.arrays = bytes_record(chosen)
                self._recorder.measured(self._final_metrics(grid, result.arrays, config, timeout))
        final = self._recorder.finish()
        result.evaluate_metrics_clientapp[self._recorder.settled_rounds] = MetricRecord(dict(final))
        return result

    def configure_peer_evaluation(
        self, task: RoundTask, phase: TrainPhase, assignments: Iterable[Assignment]
    ) -> list[Message]:
        """Make one message for each peer, with all the updates that it is to score.

        In a round that is taken up again a peer may have gone since; it gets none.
        """
        tasks: dict[str, list[Subject]] = {}
        for one in assignments:
            update = phase.updates[one.subject]
            subject = Subject(one.subject, update.update_bytes, update.commitment, update.salt, one.shard)
            tasks.setdefault(one.evaluator, []).append(subject)
        return [
            Message(
                peer_content(PeerTask(task, len(phase.updates), tuple(subjects))),
                dst_node_id=phase.nodes[evaluator],
                message_type=PEER_EVALUATION,
            )
            for evaluator, subjects in sorted(tasks.items())
            if evaluator in phase.nodes
        ]

    def _final_metrics(
        self, grid: Grid, arrays: ArrayRecord, config: ConfigRecord, timeout: float
    ) -> list[dict[str, float]]:
        last_round = self._recorder.settled_rounds
        self._recorder.status.wait_for_nodes(last_round, self._needed)
        replies = exchange(grid, list(self.configure_evaluate(last_round, arrays, config, grid)), timeout)
        return collect_metrics(replies)

    def _play_round(
        self, grid: Grid, server_round: int, arrays: ArrayRecord, config: ConfigRecord, timeout: float
    ) -> ArrayRecord:
        config["server-round"] = server_round
        content = RecordDict({MODEL_RECORD: arrays, ROUND_RECORD: config})
        task = read_round_task(content)
        self._recorder.open_round(task)
        kept = self._recorder.kept_updates(server_round)
        chosen = self._round_nodes.choose(grid, task, None if kept is None else kept.invitation)
        messages = [
            Message(content, dst_node_id=node_id, message_type=MessageType.TRAIN) for node_id in chosen.node_ids
        ]
        train_replies = exchange(grid, messages, timeout)
        train_replies.failures.update(chosen.refused)
        began = time.monotonic()
        state_before = decode_model(task.model_bytes).arrays
        phase = collect_updates(
            train_replies,
            task,
            self._model.at(state_before),
            self._item_count,
            self._recorder.cohort,
            self._needed,
        )
        self._recorder.status.know(phase.nodes)
        if kept is not None:
            phase = replace(phase, updates=kept.updates, rejected=kept.rejected)
        commitments = {account: update.commitment for account, update in phase.updates.items()}
        root = commitment_root(self._recorder.cohort, commitments)
        self._recorder.commit_updates(task, root, ReceivedUpdates(phase.updates, phase.rejected, chosen.invitation))
        link = self._seed_chain.link(server_round)
        seed = committee_seed(link, root)
        accounts = list(phase.updates)
        evaluators = trusted_evaluators(accounts, self._settings, self._recorder.standing.smoothed_wad)
        assignments = draw_committees(seed, accounts, evaluators, self._settings.committee_size, tuple(self._pool))
        peer_messages = self.configure_peer_evaluation(task, phase, assignments)
        committed_seconds = time.monotonic() - began
        peer_replies = exchange(grid, peer_messages, timeout)
        began = time.monotonic()
        scores, refused = collect_scores(peer_replies, task, phase, assignments)
        arrays_of = {account: update.arrays for account, update in phase.updates.items()}
        in_order = [(evaluator, signed) for evaluator, given in sorted(scores.items()) for signed in given]
        false_scores = audit(
            in_order,
            RecomputedGains(self._model, state_before, arrays_of, self._pool),
            self._settings.probe_pairs,
            seed,
            self._settings.audit_share,
        )
        failed_peers = owed_scores(assignments, {evaluator: len(given) for evaluator, given in scores.items()}) | liars(
            false_scores
        )
        inspection = inspect_updates(
            self._settings,
            state_before,
            arrays_of,
            {account: update.update_bytes for account, update in phase.updates.items()},
            self._reference,
            self._recorder.last_round(server_round),
            link,
        )
        gate_reasons = {account: lowered.reason for account, lowered in inspection.lowered.items()} | failed_peers
        example_counts = (
            {account: self._model.example_count(update.arrays) for account, update in phase.updates.items()}
            if self._settings.aggregation == "fedavg"
            else {}
        )
        result = settle(
            scores_wad=_scores_by_subject(in_order, false_scores, phase.updates),
            committee_sizes=_committee_sizes(assignments, phase.updates),
            gates_wad=gates_of(phase.updates, inspection.lowered, failed_peers),
            example_counts=example_counts,
            before=self._recorder.standing,
            settings=self._settings,
            liars=liars(false_scores),
        )
        state, held = fused_state(
            self._settings,
            self._model,
            state_before,
            arrays_of,
            fusion_weights(result.judgements, self._settings.aggregation),
            inspection.caps,
            self._reference,
        )
        model_bytes = encode_model(Packed(self._model.name, self._item_count, state))
        cost = RoundCost(
            train_seconds=train_replies.seconds,
            score_seconds=peer_replies.seconds,
            settle_seconds=committed_seconds + time.monotonic() - began,
            bytes_up=_bytes_of(train_replies.contents.values()),
            bytes_down=_bytes_of(messages) + _bytes_of(peer_messages),
        )
        self._recorder.settle_round(
            task=task,
            invitation=chosen.invitation,
            updates=phase.updates,
            rejected=(*phase.rejected, *refused),
            commitment_root=root,
            seed_link=link,
            assignments=assignments,
            scores=scores,
            false_scores=false_scores,
            gate_reasons=gate_reasons,
            capped_items=inspection.capped_items,
            held_items=held,
            example_counts=example_counts,
            result=result,
            model_bytes=model_bytes,
            cost=cost,
        )
        return bytes_record(model_bytes)


def _scores_by_subject(
    scores: Sequence[tuple[str, SignedScore]], false_scores: Iterable[FalseScore], updates: Mapping[str, VerifiedUpdate]
) -> dict[str, list[int]]:
    by_subject: dict[str, list[int]] = {account: [] for account in updates}
    for subject, score in scores_that_count(scores, false_scores):
        by_subject[subject].append(score)
    return by_subject


def _committee_sizes(assignments: Iterable[Assignment], updates: Mapping[str, VerifiedUpdate]) -> dict[str, int]:
    sizes = dict.fromkeys(updates, 0)
    for one in assignments:
        sizes[one.subject] += 1
    return sizes


def _bytes_of(messages: Iterable[Message]) -> int:
    return sum(content_size(message.content) for message in messages)
