"""A whole run, round after round."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from eth_hash.auto import keccak

from common.data.probe import ProbeShard
from common.errors import CheckFailed
from server.federation import Federation
from server.ledger import Ledger
from server.replay.exact import Before, replay_round
from server.replay.in_memory import check_opening_in_memory
from server.replay.mismatch import Mismatch, expect
from server.replay.models import check_initial_model, read_model
from server.replay.on_ledger import (
    Written,
    check_earned_before,
    check_nothing_earned,
    check_nothing_follows,
    check_opening,
    check_round,
)
from server.replay.public_round import PublicRound, read_public_round
from server.replay.restricted import recompute_round
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
        unchecked: Each something, and why it was not checked; without a full stop.
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
        federation: The public facts that the settings' hash on the ledger covers, and the size of the catalogue.
        rounds: How many rounds have evidence.
        ledger: Opened for reading; None where there is none, such as for a run in memory.
        shards: The probe pool by digest, empty where it is not at hand.
        restricted: Whether to look at the updates too.
        on_round: Called after each round with its number.

    Raises:
        Mismatch: the first thing that does not follow.
    """
    done = Verified()
    public = first = _public(folder, 1)
    before, written = _start(first, ledger, federation, done)
    if shards and set(shards) != set(federation.probe_shards):
        raise Mismatch(None, None, "probe pool", "the one at hand is not that of federation.json")
    pool = [shards[digest] for digest in federation.probe_shards] if shards else []
    difference = check_initial_model(first, folder, federation.item_count, pool)
    if difference is None:
        done.unchecked.append("the first model, which was trained on the probe pool (probe.npz): it is not at hand")
    done.model_difference = difference or 0.0
    without_updates = []
    for server_round in range(1, rounds + 1):
        public = first if server_round == 1 else _public(folder, server_round)
        _check_same_run(first, public)
        before = replay_round(public, before, federation.probe_shards)
        read_model(public, folder, "next_model", federation.item_count)
        if ledger is not None and written is not None:
            written = check_round(public, ledger, written)
            done.on_ledger += 1
        done.rounds += 1
        done.signatures += len(public.commitments) + len(public.scores)
        if restricted and not _recompute(public, folder, federation.item_count, shards, done):
            without_updates.append(server_round)
        on_round(server_round)
    if ledger is not None:
        check_nothing_follows(public, ledger)
    done.unchecked += _unchecked(public, ledger, restricted=restricted, without_updates=without_updates)
    if done.updates and not shards:
        done.unchecked.append("scores, gates and models, because the run folder holds no probe pool (probe.npz)")
    return done


def _start(
    first: PublicRound, ledger: Ledger | None, federation: Federation, done: Verified
) -> tuple[Before, Written | None]:
    earned = {account: first.cumulative_wei.get(account, 0) for account in first.cohort}
    for account, judged in first.judgements.items():
        earned[account] = earned.get(account, 0) - judged.reward_wei
    if ledger is None:
        check_opening_in_memory(first, federation)
        check_nothing_earned(earned)
        anchor = keccak(first.seed_link)  # nobody recorded it: the chain is checked from its first link on
        return Before(first.model, anchor, Standing.at_start(first.cohort, earned)), None
    record, opened, written = check_opening(first, ledger, federation)
    if not check_earned_before(first, earned, opened, ledger):
        done.unchecked.append(
            "what accounts had earned before, which the ledger's settlement before this run does not show"
        )
    return Before(first.model, record.seed_anchor, Standing.at_start(first.cohort, earned)), written


def _unchecked(
    last: PublicRound, ledger: Ledger | None, *, restricted: bool, without_updates: Sequence[int]
) -> Iterator[str]:
    settled, planned = last.server_round, last.settings.rounds
    if ledger is None:
        yield (
            "the ledger, which was kept in memory and is gone: nothing outside the run folder vouches for the reasons "
            "of rejections and the first link of the seed chain"
        )
    if settled < planned:
        reason = "no ledger shows whether they were settled" if ledger is None else "they are not settled"
        if last.settings.patience or last.settings.target:
            reason += ", or the run has ended early by what clients reported of their validation items"
        yield f"{_rounds(range(settled + 1, planned + 1))} of the settings, of which there is no evidence: {reason}"
    if not restricted:
        yield "scores, gates and models, because only the public part was asked for"
    if without_updates:
        yield (
            f"scores, gates and models of {_rounds(without_updates)}, whose updates, or those of the round before, are "
            "not in the run folder"
        )
    if last.settings.noise != "none":
        yield "whether clients drew their noise honestly, which no update shows"
    if last.settings.aggregation == "fedavg":
        yield "whether the example counts are true, which are as clients declare them"


def _rounds(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"round {numbers[0]}"
    if numbers[-1] - numbers[0] + 1 == len(numbers):
        return f"rounds {numbers[0]} to {numbers[-1]}"
    return f"rounds {', '.join(map(str, numbers))}"


def _check_same_run(first: PublicRound, public: PublicRound) -> None:
    for name in ("run_id", "domain.chain_id", "domain.verifying_contract", "settings", "cohort"):
        value = attrgetter(name)
        expect(public.server_round, None, name, value(public), value(first))


def _recompute(
    public: PublicRound, folder: RunFolder, item_count: int, shards: Mapping[bytes, ProbeShard], done: Verified
) -> bool:
    """Return False where the round's updates are not at hand."""
    found = recompute_round(public, folder, item_count, shards)
    if found is None:
        return False
    done.updates += found.updates
    done.scores += found.scores
    if found.model_difference is not None:
        done.models += 1
        done.score_difference = max(done.score_difference, found.score_difference)
        done.model_difference = max(done.model_difference, found.model_difference)
    return True


def _public(folder: RunFolder, server_round: int) -> PublicRound:
    try:
        content = folder.get_evidence(server_round)
    except CheckFailed as error:
        raise Mismatch(server_round, None, "evidence", str(error).rstrip(".")) from error
    return read_public_round(content, server_round)
