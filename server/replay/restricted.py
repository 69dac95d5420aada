"""The restricted part: with the updates and salts, scores, gates and models are computed once more.

What the hashes pin down is exact. A recomputed score may differ by one pair of its shard, and a recomputed model by
1e-5 of its largest entry, because BLAS and eigensolvers differ between machines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.commitment import commitment_of
from common.data.probe import ProbeShard
from common.errors import CheckFailed, Rejected
from common.models import Arrays, Model, model_of
from common.update_check import open_update
from server.aggregation import fusion_weights
from server.exposure_budget import Held
from server.gates import gates_of
from server.inspection import Inspection, LastRound, fused_state, inspect_updates
from server.last_round import last_round
from server.public_reference import PublicReference
from server.received_updates import kept_updates
from server.replay.exact import owed_by
from server.replay.false_scores import recheck_scores
from server.replay.mismatch import Mismatch, expect
from server.replay.models import model_difference, read_model
from server.replay.public_round import PublicRound
from server.reputation import WAD
from server.run_folder import RunFolder
from server.score_audit import RecomputedGains

GATE_TOLERANCE = 1e-6
"""Of a gate, an exposure or a budget."""


@dataclass(frozen=True)
class Recomputed:
    """How far a round's recomputed figures lie from the recorded ones: the largest differences.

    Attributes:
        updates: How many were looked at.
        scores: How many were recomputed.
        score_difference: Of a gain, in the gain's unit.
        model_difference: Relative to the largest entry of the array; None where nothing but the updates was looked at.
    """

    updates: int
    scores: int
    score_difference: float
    model_difference: float | None


def recompute_round(
    public: PublicRound, folder: RunFolder, item_count: int, shards: Mapping[bytes, ProbeShard]
) -> Recomputed | None:
    """Check a replayed round against its updates.

    Args:
        public: The evidence, already replayed.
        folder: Of the run, with `objects/updates/` in it.
        item_count: Size of the catalogue.
        shards: The probe pool by digest; empty: scores, gates and models are not recomputed.

    Returns:
        None where the folder does not hold the updates of the round and of the one before.

    Raises:
        Mismatch: an update is not the one committed to, or something was not computed from the updates.
    """
    updates = _committed_updates(public, folder)
    t = public.server_round
    if updates is None or (t > 1 and folder.get_received(t - 1) is None):
        return None
    state = read_model(public, folder, "model", item_count)
    try:
        return _recompute(public, folder, item_count, shards, updates, state)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        # after a round whose updates are missing, nobody has made sure that the arrays are those of such a model
        raise Mismatch(public.server_round, None, "model", f"nothing follows from its arrays ({error!r})") from error


def _recompute(
    public: PublicRound,
    folder: RunFolder,
    item_count: int,
    shards: Mapping[bytes, ProbeShard],
    updates: Mapping[str, bytes],
    state: Arrays,
) -> Recomputed:
    t = public.server_round
    model = model_of(public.settings)
    arrays = {
        account: _decoded(public, account, content, model.at(state), item_count) for account, content in updates.items()
    }
    for account, declared in public.example_counts.items():
        expect(t, account, "example_counts.examples", declared, model.example_count(arrays[account]))
    if not shards:
        return Recomputed(len(updates), 0, 0.0, None)
    reference = PublicReference.of(list(shards.values()))
    last = _last_round(public, folder)
    inspection = inspect_updates(public.settings, state, arrays, updates, reference, last, public.seed_link)
    _check_gates(public, inspection)
    recorded = read_model(public, folder, "next_model", item_count)
    weights = fusion_weights(public.judgements, public.settings.aggregation)
    score_difference = recheck_scores(public, RecomputedGains(model, state, arrays, shards))
    fused, held = fused_state(public.settings, model, state, arrays, weights, inspection.caps, reference)
    _check_held(public, held)
    return Recomputed(
        updates=len(updates),
        scores=len(public.scores),
        score_difference=score_difference,
        model_difference=model_difference(t, "next_model", recorded, fused),
    )


def _last_round(public: PublicRound, folder: RunFolder) -> LastRound | None:
    try:
        return last_round(folder, public.server_round, public.settings.compression)
    except CheckFailed as error:
        raise Mismatch(public.server_round - 1, None, "updates", str(error).rstrip(".")) from error


def _check_gates(public: PublicRound, inspection: Inspection) -> None:
    t, owing = public.server_round, owed_by(public)
    reasons = {account: lowered.reason for account, lowered in inspection.lowered.items()} | owing
    for account, gate_wad in gates_of(public.commitments, inspection.lowered, owing).items():
        expect(t, account, "judgements.gate_reason", public.gate_reasons.get(account), reasons.get(account))
        said = public.judgements[account].gate_wad
        if abs(said - gate_wad) > GATE_TOLERANCE * WAD:
            raise Mismatch(t, account, "judgements.gate_wad", f"it is {said} and should be about {gate_wad}")
    expect(t, None, "capped_items", public.capped_items, inspection.capped_items)


def _check_held(public: PublicRound, held: Sequence[Held]) -> None:
    t = public.server_round
    expect(t, None, "held_items", [one.item for one in public.held_items], [one.item for one in held])
    for said, expected in zip(public.held_items, held, strict=True):
        for field in ("exposure", "budget"):
            if abs(getattr(said, field) - getattr(expected, field)) > GATE_TOLERANCE:
                raise Mismatch(t, None, f"held_items.{field}_wad", f"that of item {said.item} does not follow")
        expect(t, None, "held_items.rolled_back", said.rolled_back, expected.rolled_back)


def _committed_updates(public: PublicRound, folder: RunFolder) -> dict[str, bytes] | None:
    t = public.server_round
    try:
        kept = kept_updates(folder, t, public.settings.compression)
    except CheckFailed as error:
        raise Mismatch(t, None, "updates", str(error).rstrip(".")) from error
    if kept is None:
        return None
    committed = [account for account in public.cohort if account in public.commitments]
    expect(t, None, "updates", list(kept.updates), committed)
    for account, update in kept.updates.items():
        commitment, signature = public.commitments[account]
        named = commitment_of(public.run_id, t, account, update.name, update.salt)
        expect(t, account, "commitments.commitment", commitment, named)
        expect(t, account, "updates.commitment", update.commitment, commitment)
        expect(t, account, "updates.signature", update.commitment_signature, signature)
    expect(t, None, "updates.rejected", kept.rejected, public.rejected[: len(kept.rejected)])
    return {account: update.update_bytes for account, update in kept.updates.items()}


def _decoded(public: PublicRound, account: str, content: bytes, model: Model, item_count: int) -> Arrays:
    try:
        return open_update(public.settings, model, content, item_count)
    except Rejected as reason:
        raise Mismatch(public.server_round, account, "update", f"it ought to have been rejected: {reason}") from reason
