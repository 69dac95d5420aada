"""A whole run, round after round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from common.data.probe import ProbeShard
from common.errors import CheckFailed
from server.federation import Federation
from server.ledger import Ledger
from server.replay.exact import Before, replay_round
from server.replay.mismatch import Mismatch, expect
from server.replay.on_ledger import Written, check_opening, check_round
from server.replay.public_round import PublicRound, read_public_round
from server.replay.restricted import check_initial_model, recompute_round
from server.run_folder import RunFolder
from server.settlement import Standing


@dataclass
class Verified:
    """What was checked, and what could not be, with the reason.

    Attributes:
        rounds: Rounds that were replayed.
        signatures: Of commitments and scores.
        on_ledger: Rounds that were compared with the ledger.
        updates: Updates whose commitment, bounds and gates were checked.
        scores: Scores that were computed again.
        models: Models that were fused again.
        score_difference: The largest difference between a signed gain and the recomputed one.
        model_difference: The same of models, relative to the largest entry.
        unchecked: Sentences without a full stop.
    """

    rounds: int = 0
    signatures: int = 0
    on_ledger: int = 0
    updates: int = 0
    scores: int = 0
    models: int = 0
    score_difference: float = 0.0
    model_difference: float = 0.0
    unchecked: list[str] = field(default_factory=list)


def replay_run(
    folder: RunFolder,
    federation: Federation,
    rounds: int,
    ledger: Ledger | None,
    shards: Mapping[bytes, ProbeShard],
    *,
    restricted: bool,
    on_round: Callable[[int], None],
) -> Verified:
    """Verify rounds 1 to `rounds` of a run.

    Args:
        folder: Evidence and objects.
        federation: The public facts that the settings' hash on the ledger covers.
        rounds: How many rounds have evidence.
        ledger: Opened for reading; None where there is none, such as for a run in memory.
        shards: The probe pool by digest, empty where it is not at hand.
        restricted: Whether to look at the updates too.
        on_round: Called after each round with its number.

    Raises:
        Mismatch: the first thing that does not follow.
    """
    done = Verified()
    first = _public(folder, 1)
    before, written = _start(first, ledger, federation, done)
    if restricted:
        done.model_difference = check_initial_model(first, folder)
    for server_round in range(1, rounds + 1):
        public = first if server_round == 1 else _public(folder, server_round)
        _check_same_run(first, public)
        before = replay_round(public, before, federation.probe_shards)
        _check_model_object(public, folder)
        if ledger is not None and written is not None:
            written = check_round(public, ledger, written)
            done.on_ledger += 1
        done.rounds += 1
        done.signatures += len(public.commitments) + len(public.scores)
        if restricted:
            _recompute(public, folder, shards, done)
        on_round(server_round)
    if restricted and not shards:
        done.unchecked.append("scores were not computed again: the run folder holds no probe pool (probe.npz)")
    return done


def _start(
    first: PublicRound, ledger: Ledger | None, federation: Federation, done: Verified
) -> tuple[Before, Written | None]:
    earned = {account: first.cumulative_wei.get(account, 0) for account in first.cohort}
    for account, judged in first.judgements.items():
        if account in earned:
            earned[account] -= judged.reward_wei
    if ledger is None:
        _check_earned_before(earned, done, own_ledger=federation.given_deployment is None)
        done.unchecked.append("nothing was compared with the ledger, which does not exist any more")
        return Before(first.model, _anchor_of(first), Standing.at_start(first.cohort, earned)), None
    record, written = check_opening(first, ledger, federation)
    opened = ledger.round_record(first.run_id, 1)
    _check_earned_before(earned, done, own_ledger=opened is not None and opened.sequence == 1)
    return Before(first.model, record.seed_anchor, Standing.at_start(first.cohort, earned)), written


def _anchor_of(first: PublicRound) -> bytes:
    """Without a ledger there is no recorded anchor: the chain of seeds is checked from its first link on."""
    return keccak(first.seed_link)


def _check_earned_before(earned: Mapping[str, int], done: Verified, *, own_ledger: bool) -> None:
    for account, wei in earned.items():
        if wei < 0 or (own_ledger and wei):
            raise Mismatch(1, account, "judgements.cumulative_wei", f"before this run it would have earned {wei} wei")
    if any(earned.values()):
        done.unchecked.append("what accounts had earned in earlier runs of the ledger is taken from the first round")


def _check_same_run(first: PublicRound, public: PublicRound) -> None:
    for name in ("run_id", "domain", "settings", "cohort"):
        expect(public.server_round, None, name, getattr(public, name), getattr(first, name))


def _check_model_object(public: PublicRound, folder: RunFolder) -> None:
    for name, digest in (("model", public.model), ("next_model", public.next_model)):
        try:
            folder.get_object(digest)
        except CheckFailed as error:
            raise Mismatch(public.server_round, None, name, str(error).rstrip(".")) from error


def _recompute(public: PublicRound, folder: RunFolder, shards: Mapping[bytes, ProbeShard], done: Verified) -> None:
    found = recompute_round(public, folder, shards)
    if found is None:
        done.unchecked.append(f"scores and model of round {public.server_round}: its updates are not in the run folder")
        return
    done.updates += found.updates
    done.scores += found.scores
    done.models += 1
    done.score_difference = max(done.score_difference, found.score_difference)
    done.model_difference = max(done.model_difference, found.model_difference)


def _public(folder: RunFolder, server_round: int) -> PublicRound:
    try:
        content = folder.get_evidence(server_round)
    except CheckFailed as error:
        raise Mismatch(server_round, None, "evidence", str(error).rstrip(".")) from error
    return read_public_round(content, server_round)
