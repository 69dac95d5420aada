"""The public record of a round: everything that its settlement follows from, as canonical JSON.

The ledger stores keccak256 of these bytes as the evidence root. Numbers beyond 2^53 are decimal texts, hashes are
hex. Updates and salts are not in it; they are for participants and auditors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from eth_hash.auto import keccak

from common.wire import RoundTask, SignedScore
from server.exposure_budget import Held
from server.participation import Invitation
from server.reputation import WAD
from server.score_audit import FalseScore
from server.selection import Assignment
from server.settlement import RoundResult
from server.verification import VerifiedUpdate


@dataclass(frozen=True)
class RoundEvidence:
    """What happened in a round, before the ledger is told.

    Attributes:
        task: Run, round, settings and domain.
        model: sha256 of the model that was sent.
        next_model: sha256 of the model that was made.
        cohort: All accounts of the run, ascending.
        invitation: Whom the round asked, where it did not ask everybody.
        updates: The verified updates, by account.
        rejected: (account or node, reason) of what was left out.
        commitment_root: Root over the commitments.
        seed_link: s_t of the coordinator's seed chain.
        assignments: Who was to score whom on which shard.
        scores: The valid signed scores, by evaluator.
        false_scores: What the audit found, in the order of the scores.
        gate_reasons: Account -> why a gate lowered its reputation.
        capped_items: Items of which clients claimed more than is believed, ascending.
        held_items: Items that were held to their exposure budget.
        example_counts: Declared examples by account; empty unless the run weighs by them.
        result: Judgements, weights, rewards.
        reputation_root, reward_root: As settled.
    """

    task: RoundTask
    model: str
    next_model: str
    cohort: Sequence[str]
    invitation: Invitation
    updates: Mapping[str, VerifiedUpdate]
    rejected: Sequence[tuple[str, str]]
    commitment_root: bytes
    seed_link: bytes
    assignments: Sequence[Assignment]
    scores: Mapping[str, Sequence[SignedScore]]
    false_scores: Sequence[FalseScore]
    gate_reasons: Mapping[str, str]
    capped_items: Sequence[int]
    held_items: Sequence[Held]
    example_counts: Mapping[str, int]
    result: RoundResult
    reputation_root: bytes
    reward_root: bytes

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return rfc8785.dumps(self._record())

    def _record(self) -> dict[str, Any]:
        domain = self.task.domain
        return {
            "run_id": self.task.run_id.hex(),
            "round": self.task.server_round,
            "domain": {"chain_id": domain.chain_id, "verifying_contract": domain.verifying_contract},
            "settings": self.task.settings.to_run_config(),
            "model": self.model,
            "next_model": self.next_model,
            "cohort": list(self.cohort),
            "asked": list(self.invitation.asked),
            "passed_over": [{"account": account, "reason": reason} for account, reason in self.invitation.passed_over],
            "commitments": [
                {
                    "account": account,
                    "commitment": update.commitment.hex(),
                    "signature": update.commitment_signature.hex(),
                }
                for account, update in sorted(self.updates.items())
            ],
            "commitment_root": self.commitment_root.hex(),
            "seed_link": self.seed_link.hex(),
            "committees": [
                {"subject": one.subject, "evaluator": one.evaluator, "shard": one.shard.hex()}
                for one in self.assignments
            ],
            "scores": [
                {
                    "evaluator": evaluator,
                    "subject": signed.score.subject,
                    "shard": signed.score.shard.hex(),
                    "ndcg_gain_wad": str(signed.score.ndcg_gain_wad),
                    "hit_gain_wad": str(signed.score.hit_gain_wad),
                    "signature": signed.signature.hex(),
                }
                for evaluator, scores in sorted(self.scores.items())
                for signed in scores
            ],
            "false_scores": [
                {
                    "evaluator": one.evaluator,
                    "subject": one.subject,
                    "shard": one.shard.hex(),
                    "said_ndcg_gain_wad": str(one.said[0]),
                    "said_hit_gain_wad": str(one.said[1]),
                    "ndcg_gain_wad": str(one.recomputed[0]),
                    "hit_gain_wad": str(one.recomputed[1]),
                }
                for one in self.false_scores
            ],
            "judgements": [
                {
                    "account": account,
                    "consolidated_wad": None if judged.consolidated_wad is None else str(judged.consolidated_wad),
                    "calibrated_wad": str(judged.calibrated_wad),
                    "gate_wad": str(judged.gate_wad),
                    "gate_reason": self.gate_reasons.get(account),
                    "smoothed_wad": str(judged.smoothed_wad),
                    "weight_wad": str(judged.weight_wad),
                    "reward_wei": str(judged.reward_wei),
                    "cumulative_wei": str(self.result.standing.cumulative_wei[account]),
                }
                for account, judged in sorted(self.result.judgements.items())
            ],
            "capped_items": list(self.capped_items),
            "held_items": [
                {
                    "item": held.item,
                    "exposure_wad": str(int(held.exposure * WAD)),
                    "budget_wad": str(int(held.budget * WAD)),
                    "rolled_back": held.rolled_back,
                }
                for held in self.held_items
            ],
            "example_counts": [
                {"account": account, "examples": str(count)} for account, count in sorted(self.example_counts.items())
            ],
            "scale_wad": str(self.result.standing.scale_wad),
            "pool_wei": str(self.result.pool_wei),
            "rewarded_wei": str(self.result.rewarded_wei),
            "reputation_root": self.reputation_root.hex(),
            "reward_root": self.reward_root.hex(),
            "rejected": [{"account": account, "reason": reason} for account, reason in self.rejected],
        }


def evidence_root(evidence: bytes) -> bytes:
    """Return keccak256 of the evidence file's bytes."""
    return keccak(evidence)
