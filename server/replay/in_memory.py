"""The opening of a run whose ledger is gone with its process: the clients' signatures say what it was opened with."""

from server.federation import Federation
from server.memory_ledger import MEMORY_CHAIN_ID, MEMORY_CONTRACT
from server.replay.mismatch import expect
from server.replay.on_ledger import check_settings
from server.replay.public_round import PublicRound


def check_opening_in_memory(first: PublicRound, federation: Federation) -> None:
    """Compare the run id, which every client has signed, with what it is the hash of.

    The domain is signed too: so a run of a chain cannot be passed off as one that never had any.

    Raises:
        Mismatch: settings or federation.json are not those that the run was opened with.
    """
    expect(1, None, "domain.chain_id", first.domain.chain_id, MEMORY_CHAIN_ID)
    expect(1, None, "domain.verifying_contract", first.domain.verifying_contract, MEMORY_CONTRACT)
    check_settings(federation.repeating_run_id(first.settings, 0), first.run_id)
