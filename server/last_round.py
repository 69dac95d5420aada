"""What the round before a round left in the run folder: its updates and what they weighed."""

from common.bounded_json import parse_json
from common.errors import CheckFailed
from server.fields import Fields
from server.inspection import LastRound
from server.received_updates import kept_updates
from server.run_folder import RunFolder


def last_round(folder: RunFolder, server_round: int, compression: str) -> LastRound | None:
    """Read the round before `server_round`, None for the first one.

    Args:
        folder: Of the run.
        server_round: The round that is played or verified.
        compression: Of the run's settings.

    Raises:
        CheckFailed: a file was altered or removed.
    """
    if server_round == 1:
        return None
    kept = kept_updates(folder, server_round - 1, compression)
    if kept is None:
        raise CheckFailed(
            f"The updates of round {server_round - 1} are not in {folder.path}; restore them from a backup."
        )
    try:
        evidence = Fields(parse_json(folder.get_evidence(server_round - 1)), "")
        weights = {one.account("account"): one.decimal("weight_wad") for one in evidence.objects("judgements")}
    except ValueError as error:
        raise CheckFailed(
            f"The evidence of round {server_round - 1} in {folder.path} was altered ({error}); restore the folder."
        ) from error
    return LastRound({account: update.arrays for account, update in kept.updates.items()}, weights)
