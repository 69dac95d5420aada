"""Everything that a run leaves behind: ledger entries, evidence, objects, checkpoint and report."""

import time
from collections.abc import Iterable, Mapping, Sequence
from logging import INFO, WARNING
from typing import Any

from flwr.common.logger import log

from common.config import Settings
from common.errors import CheckFailed
from common.merkle import ascending, cohort_leaf, merkle_root
from common.update import object_name
from common.wire import RoundTask, SignedScore
from server.convergence import Choice, choose_round, stop_reason
from server.evidence import RoundEvidence, evidence_root
from server.exposure_budget import Held
from server.federation import Federation, save_rewards
from server.inspection import LastRound
from server.last_round import last_round
from server.ledger import Ledger, Settlement
from server.participation import Invitation
from server.received_updates import ReceivedUpdates, keep_updates, kept_updates
from server.report import Chosen, RoundCost, add_metrics, build_report, mean_metrics, round_row
from server.run_folder import Checkpoint, RunFolder
from server.run_privacy import run_statement
from server.score_audit import FalseScore, liars
from server.selection import Assignment
from server.settlement import RoundResult, Standing, reputation_root, reward_leaves
from server.status_writer import StatusWriter
from server.told_again import rounds_on_ledger, tell_again
from server.verification import VerifiedUpdate


class RunRecorder:
    """Writes each step where it belongs, in an order that a crash cannot spoil.

    What is decided goes to the run folder before the ledger is told, and ledger calls can be repeated: a restart
    tells the ledger again what the checkpoint holds, and goes on with the round after it.
    """

    def __init__(
        self,
        settings: Settings,
        federation: Federation,
        ledger: Ledger,
        folder: RunFolder,
        checkpoint: Checkpoint,
        status: StatusWriter,
    ) -> None:
        self.settings = settings
        self.status = status
        self.cohort = ascending(ledger.participants())
        self._federation = federation
        self._ledger = ledger
        self._folder = folder
        self._checkpoint = checkpoint
        self._final: dict[str, float] = {}
        self._choice: Choice | None = None

    @property
    def settled_rounds(self) -> int:
        """Rounds that are decided."""
        return self._checkpoint.settled_rounds

    @property
    def standing(self) -> Standing:
        """Reputations and rewards after the last decided round."""
        return self._checkpoint.standing

    def rounds_on_ledger(self) -> int:
        """Return how many of the decided rounds the ledger shows as settled."""
        return rounds_on_ledger(self._ledger, self._checkpoint.run_id, self.settled_rounds)

    def open_run(self, seed_anchor: bytes) -> None:
        """Open the run on the ledger, or find it open; then make sure that its decided rounds are settled."""
        run_id = self._checkpoint.run_id
        self._ledger.open_run(
            run_id,
            self._federation.settings_hash(self.settings),
            seed_anchor,
            self._federation.catalogue_hash,
            merkle_root([cohort_leaf(index, account) for index, account in enumerate(self.cohort)]),
        )
        for server_round in range(self.rounds_on_ledger() + 1, self.settled_rounds + 1):
            tell_again(self._ledger, run_id, server_round, self._folder.get_evidence(server_round))
        if self._checkpoint.settlement is not None:
            self._checkpoint.rows[-1]["gas"] = self._settle_checkpoint(self._checkpoint.settlement)
        self._write_report({}, verified=None)

    def open_round(self, task: RoundTask) -> None:
        """Open a round with the model that it starts from."""
        self._ledger.open_round(task.run_id, task.server_round, bytes.fromhex(object_name(task.model_bytes)))

    def kept_updates(self, server_round: int) -> ReceivedUpdates | None:
        """Return the updates that an interrupted round had already received."""
        return kept_updates(self._folder, server_round, self.settings.compression)

    def last_round(self, server_round: int) -> LastRound | None:
        """Return what the round before left, None in the first round."""
        return last_round(self._folder, server_round, self.settings.compression)

    def commit_updates(self, task: RoundTask, root: bytes, received: ReceivedUpdates) -> None:
        """Keep the updates, record the root over their commitments, and fill in how good the model was that came.

        From here on the updates may be shown to others.
        """
        keep_updates(self._folder, task.server_round, received)
        self._ledger.commit_updates(task.run_id, task.server_round, root)
        if self._checkpoint.rows:
            add_metrics(self._checkpoint.rows[-1], mean_metrics(update.metrics for update in received.updates.values()))

    def settle_round(
        self,
        *,
        task: RoundTask,
        invitation: Invitation,
        updates: Mapping[str, VerifiedUpdate],
        rejected: Sequence[tuple[str, str]],
        commitment_root: bytes,
        seed_link: bytes,
        assignments: Sequence[Assignment],
        scores: Mapping[str, Sequence[SignedScore]],
        false_scores: Sequence[FalseScore],
        gate_reasons: Mapping[str, str],
        capped_items: Sequence[int],
        held_items: Sequence[Held],
        example_counts: Mapping[str, int],
        result: RoundResult,
        model_bytes: bytes,
        cost: RoundCost,
    ) -> None:
        """Store the round's outcome, settle it on the ledger and add its row to the report."""
        self.status.settle()
        began = time.monotonic()
        rewards = merkle_root(reward_leaves(self.cohort, result.standing.cumulative_wei))
        reputations = reputation_root(self.cohort, result.judgements)
        next_model = self._folder.put_object(model_bytes)
        evidence = RoundEvidence(
            task=task,
            model=object_name(task.model_bytes),
            next_model=next_model,
            cohort=self.cohort,
            invitation=invitation,
            updates=updates,
            rejected=rejected,
            commitment_root=commitment_root,
            seed_link=seed_link,
            assignments=assignments,
            scores=scores,
            false_scores=false_scores,
            gate_reasons=gate_reasons,
            capped_items=capped_items,
            held_items=held_items,
            example_counts=example_counts,
            result=result,
            reputation_root=reputations,
            reward_root=rewards,
        )
        evidence_bytes = evidence.to_bytes()
        self._folder.put_evidence(task.server_round, evidence_bytes)
        settlement = Settlement(
            evidence_root(evidence_bytes), reputations, rewards, bytes.fromhex(next_model), result.rewarded_wei
        )
        row = round_row(evidence, cost, run_statement(self.settings, task.server_round))
        self._checkpoint = Checkpoint(
            task.run_id,
            task.server_round,
            next_model,
            result.standing,
            [*self._checkpoint.rows, row],
            settlement,
        )
        self._folder.save_checkpoint(self._checkpoint)
        row["gas"] = self._settle_checkpoint(settlement)
        row["settle_seconds"] = round(row["settle_seconds"] + time.monotonic() - began, 3)
        row["seconds"] = round(row["train_seconds"] + row["score_seconds"] + row["settle_seconds"], 3)
        self._folder.save_checkpoint(self._checkpoint)
        self._write_report({}, verified=None)
        self.status.settled(task.server_round)
        for sender, reason in (*rejected, *sorted(gate_reasons.items())):
            log(INFO, "left out or without weight: %s", reason, extra={"client": sender})
        for liar, reason in liars(false_scores).items():
            log(WARNING, "for slashing: %s", reason, extra={"client": liar})
        log(INFO, "settled: %s updates, %s gas", len(updates), row["gas"])

    def stop_reason(self) -> str | None:
        """Say why no further round is played; the same again when the run is resumed."""
        return stop_reason(self.settings, self._checkpoint.rows)

    def measured(self, figures: Iterable[Mapping[str, float]]) -> None:
        """Fill in what everybody has measured of the last model, or of the earlier one that was chosen then."""
        self._final = mean_metrics(figures)
        if self._choice is None and self._checkpoint.rows:
            add_metrics(self._checkpoint.rows[-1], self._final)

    def chosen_model(self) -> bytes | None:
        """Return the bytes of the earlier model that the run ends with, None where it ends with its last."""
        rows = self._checkpoint.rows
        self._choice = choose_round(self.settings, rows)
        if self._choice.server_round == len(rows):
            return None
        return self._folder.get_object(rows[self._choice.server_round - 1]["model"])

    def finish(self) -> dict[str, float]:
        """Complete the report with the metrics of the chosen model and compare the ledger with the evidence."""
        self._choice = self._choice or choose_round(self.settings, self._checkpoint.rows)
        self._folder.save_checkpoint(self._checkpoint)
        self._write_report(self._final, verified=self._ledger_agrees())
        self.status.done()
        return self._final

    def _settle_checkpoint(self, settlement: Settlement) -> int:
        """Tell the ledger what the checkpoint holds, again or for the first time; return the round's gas."""
        run_id, server_round = self._checkpoint.run_id, self.settled_rounds
        self._ledger.settle_round(run_id, server_round, settlement)
        record = self._ledger.round_record(run_id, server_round)
        if record is None or record.sequence is None:
            raise CheckFailed(
                f"The ledger does not show round {server_round}, which it has just settled; check the chain."
            )
        save_rewards(self._federation.rewards_file, record.sequence, self._checkpoint.standing.cumulative_wei)
        return record.gas_used

    def _ledger_agrees(self) -> bool:
        """Read every round back from the ledger: is its evidence the file in the run folder?"""
        for server_round in range(1, self.settled_rounds + 1):
            record = self._ledger.round_record(self._checkpoint.run_id, server_round)
            expected = evidence_root(self._folder.get_evidence(server_round))
            if record is None or record.settlement is None or record.settlement.evidence_root != expected:
                return False
        return True

    def _write_report(self, final: Mapping[str, float], verified: bool | None) -> None:
        ledger: dict[str, Any] = {
            "kind": self._federation.chain_kind,
            "chain_id": self._ledger.chain_id,
            "address": self._ledger.verifying_contract,
            "run_id": self._checkpoint.run_id.hex(),
            "settled_rounds": self.settled_rounds,
            "verified": verified,
        }
        rows = self._checkpoint.rows
        privacy = run_statement(self.settings, len(rows))
        choice = self._choice or Choice(len(rows), "the last so far")
        stop_reason = self.stop_reason() if len(rows) < self.settings.rounds else None
        chosen = Chosen(choice.server_round, choice.reason, stop_reason)
        self._folder.write_report(build_report(self.settings, rows, final, ledger, privacy, chosen))
