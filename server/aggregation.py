"""From weights and updates to the next model."""

from collections.abc import Mapping

from common.models import Arrays, Model
from server.reputation import WAD
from server.robust_fusion import ROBUST_RULES, robust_fusion
from server.settlement import Judgement


def fusion_weights(judgements: Mapping[str, Judgement], aggregation: str) -> dict[str, int]:
    """Return what each update of the round counts for: its weight; under a robust rule, what its gate leaves of it.

    These rules take all whose gates are open alike, whatever they have earned.
    """
    robust = aggregation in ROBUST_RULES
    return {account: one.gate_wad if robust else one.weight_wad for account, one in judgements.items()}


def fusion_shares(weights_wad: Mapping[str, int], aggregation: str, *, sends_sums: bool) -> dict[str, float]:
    """Return rho_k = K w_k / sum w, by which what client k sent is multiplied; K is the number of clients.

    fedavg: McMahan et al. (2017) weigh a client's *mean* by n_k / n, which is w_k then. A sum over n_k interactions, as
    iALS sends, is n_k times the mean; n_k / n of the mean is 1 / n of the sum, so all shares of sums are equal.

    Args:
        weights_wad: Normalised weight of each client that has one above zero.
        aggregation: "reputation" or "fedavg".
        sends_sums: Whether the model's updates are sums over interactions, and not means.
    """
    if aggregation == "fedavg" and sends_sums:
        return dict.fromkeys(weights_wad, 1.0)
    total = sum(weights_wad.values())
    return {account: len(weights_wad) * weight / total for account, weight in weights_wad.items()}


def next_state(
    model: Model, state: Arrays, updates: Mapping[str, Arrays], weights_wad: Mapping[str, int], aggregation: str
) -> Arrays:
    """Fuse the updates, in the order of accounts, and take the server's step; without any weight the model stays.

    Args:
        model: Of the run.
        state: The model that was sent.
        updates: By account.
        weights_wad: As `fusion_weights` gives them.
        aggregation: As in the settings.
    """
    weighted = {
        account: weights_wad[account] for account in sorted(updates, key=str.lower) if 0 < weights_wad[account] <= WAD
    }
    if not weighted:
        return state
    if aggregation in ROBUST_RULES:
        return model.apply(
            state, robust_fusion(model.at(state), [updates[account] for account in weighted], aggregation)
        )
    shares = fusion_shares(weighted, aggregation, sends_sums=model.at(state).sends_sums)
    return model.apply(state, model.fuse([updates[account] for account in weighted], list(shares.values())))
