"""The restricted part: with the updates and salts, scores, gates and models are computed once more.

What the hashes pin down is exact. A recomputed score may differ by one pair of its shard, and a recomputed model by
1e-5 of its largest entry, because BLAS and eigensolvers differ between machines.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from common.commitment import commitment_of
from common.data.probe import ProbeShard
from common.errors import CheckFailed, Rejected
from common.models import Arrays, Model, model_of
from common.probe_scoring import ShardMetrics, gain, shard_metrics, state_with_update_alone
from common.seeding import generator
from common.update import decode_model, decode_update
from common.update_check import check_update
from server.aggregation import next_state
from server.gates import gate_updates
from server.received_updates import kept_updates
from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound
from server.reputation import WAD
from server.run_folder import RunFolder

MODEL_TOLERANCE = 1e-5
"""Relative to the largest entry of an array."""


@dataclass(frozen=True)
class Recomputed:
    """How far a round's recomputed figures lie from the recorded ones: the largest differences.

    Attributes:
        updates: How many were looked at.
        scores: How many were recomputed.
        score_difference: Of a gain, in the gain's unit.
        model_difference: Relative to the largest entry of the array.
    """

    updates: int
    scores: int
    score_difference: float
    model_difference: float


def recompute_round(public: PublicRound, folder: RunFolder, shards: Mapping[bytes, ProbeShard]) -> Recomputed | None:
    """Check a replayed round against its updates.

    Args:
        public: The evidence, already replayed.
        folder: Of the run, with `objects/updates/` in it.
        shards: The probe pool by digest; empty: scores are not recomputed.

    Returns:
        None where the folder does not hold the round's updates.

    Raises:
        Mismatch: an update is not the one committed to, or something was not computed from the updates.
    """
    t = public.server_round
    updates = _committed_updates(public, folder)
    if updates is None:
        return None
    model = model_of(public.settings)
    state = _model_arrays(public, folder, "model", public.model)
    arrays: dict[str, Arrays] = {}
    for account, content in updates.items():
        arrays[account] = _decoded(public, account, content, model.at(state), len(state["item_factors"]))
    _, reasons = gate_updates(arrays, updates)
    for account in updates:
        expect(t, account, "judgements.gate_reason", public.gate_reasons.get(account), reasons.get(account))
    if public.example_counts:
        for account, update in arrays.items():
            expect(t, account, "example_counts", public.example_counts[account], model.example_count(update))
    score_difference = _check_scores(public, model, state, arrays, shards) if shards else 0.0
    return Recomputed(
        updates=len(updates),
        scores=len(public.scores) if shards else 0,
        score_difference=score_difference,
        model_difference=_check_next_model(public, model, state, arrays, folder),
    )


def check_initial_model(first: PublicRound, folder: RunFolder) -> float:
    """Draw W_0 from the seed again; return how far it lies from the recorded one, relative to the largest entry.

    Raises:
        Mismatch: it is another model.
    """
    recorded = _model_arrays(first, folder, "model", first.model)
    model = model_of(first.settings)
    drawn = model.initial_state(len(recorded["item_factors"]), generator(first.settings.seed, "initial-model"))
    return _difference(first.server_round, "model", recorded, drawn)


def _committed_updates(public: PublicRound, folder: RunFolder) -> dict[str, bytes] | None:
    t = public.server_round
    try:
        kept = kept_updates(folder, t)
    except CheckFailed as error:
        raise Mismatch(t, None, "updates", str(error).rstrip(".")) from error
    if kept is None:
        return None
    expect(t, None, "updates", sorted(kept.updates), sorted(public.commitments))
    for account, update in kept.updates.items():
        commitment = commitment_of(public.run_id, t, account, update.name, update.salt)
        expect(t, account, "commitments.commitment", public.commitments[account][0], commitment)
    return {account: update.update_bytes for account, update in kept.updates.items()}


def _decoded(public: PublicRound, account: str, content: bytes, model: Model, item_count: int) -> Arrays:
    try:
        packed = decode_update(content)
        if packed.model != model.name or packed.rows != item_count:
            raise Rejected(f"the update is for model '{packed.model}' with {packed.rows} items")
        check_update(public.settings, model, packed.arrays, item_count)
    except Rejected as reason:
        raise Mismatch(public.server_round, account, "update", f"it ought to have been rejected: {reason}") from reason
    return packed.arrays


def _model_arrays(public: PublicRound, folder: RunFolder, field: str, name: str) -> Arrays:
    try:
        return decode_model(folder.get_object(name)).arrays
    except (CheckFailed, Rejected) as error:
        raise Mismatch(public.server_round, None, field, str(error).rstrip(".")) from error


def _check_scores(
    public: PublicRound, model: Model, state: Arrays, updates: Mapping[str, Arrays], shards: Mapping[bytes, ProbeShard]
) -> float:
    """Return the largest difference between a signed gain and the recomputed one."""
    bases: dict[bytes, ShardMetrics] = {}
    applied = {
        account: state_with_update_alone(model, state, update, len(updates)) for account, update in updates.items()
    }
    gains: dict[tuple[str, bytes], ShardMetrics] = {}
    largest = 0.0
    for evaluator, signed in public.scores:
        score = signed.score
        shard = shards.get(score.shard)
        if shard is None:
            raise Mismatch(public.server_round, None, "probe pool", "the one at hand lacks a shard of this round")
        if score.shard not in bases:
            bases[score.shard] = shard_metrics(model, state, shard)
        key = (score.subject, score.shard)
        if key not in gains:
            gains[key] = gain(shard_metrics(model, applied[score.subject], shard), bases[score.shard])
        for field, said, found in (
            ("ndcg_gain_wad", score.ndcg_gain_wad, gains[key].ndcg_at_10),
            ("hit_gain_wad", score.hit_gain_wad, gains[key].hit_ratio_at_10),
        ):
            difference = abs(said / WAD - found)
            largest = max(largest, difference)
            if difference > 1 / len(shard.held_out_items) + 1e-12:
                raise Mismatch(
                    public.server_round,
                    evaluator,
                    f"scores.{field}",
                    f"it says that {score.subject} gained {said / WAD:.6f}, and the update gains {found:.6f}",
                )
    return largest


def _check_next_model(
    public: PublicRound, model: Model, state: Arrays, updates: Mapping[str, Arrays], folder: RunFolder
) -> float:
    recorded = _model_arrays(public, folder, "next_model", public.next_model)
    weights = {account: public.judgements[account].weight_wad for account in updates}
    fused = next_state(model, state, updates, weights, public.settings.aggregation)
    return _difference(public.server_round, "next_model", recorded, fused)


def _difference(server_round: int, field: str, recorded: Arrays, computed: Arrays) -> float:
    """Return the largest difference of two states, relative to the largest entry of the array it is in."""
    expect(server_round, None, field, sorted(recorded), sorted(computed))
    largest = 0.0
    for name, expected in computed.items():
        found = recorded[name]
        if (found.dtype, found.shape) != (expected.dtype, expected.shape):
            raise Mismatch(server_round, None, field, f"its {name} has another type or shape than the updates give")
        if not expected.size:
            continue
        scale = max(float(np.max(np.abs(expected))), np.finfo(np.float64).tiny)
        difference = float(np.max(np.abs(found.astype(np.float64) - expected.astype(np.float64)))) / scale
        if not difference <= MODEL_TOLERANCE:  # NaN is not either
            raise Mismatch(
                server_round, None, field, f"its {name} is {difference:.1e} of its largest entry from what follows"
            )
        largest = max(largest, difference)
    return largest
