"""The coordinator's hash chain: its link for a round was fixed before anybody's update was known."""

from eth_hash.auto import keccak


class SeedChain:
    """Links s_0 .. s_T with keccak256(s_t) = s_{t-1}; s_0, the anchor, is recorded when the run opens.

    Args:
        last: The secret s_T, 32 bytes.
        rounds: T.
    """

    def __init__(self, last: bytes, rounds: int) -> None:
        links = [last]
        for _ in range(rounds):
            links.append(keccak(links[-1]))
        self._links = links[::-1]

    @property
    def anchor(self) -> bytes:
        """s_0, which is public from the start."""
        return self._links[0]

    def link(self, server_round: int) -> bytes:
        """Return s_t; publishing it reveals the links before it and none after."""
        return self._links[server_round]


def committee_seed(link: bytes, commitment_root: bytes) -> bytes:
    """Return keccak256(s_t || commitment root): known only once every update is committed to.

    No block data enters, so that the chain's producers have no say. A coordinator can still grind by leaving
    commitments out; that is a documented limit.
    """
    return keccak(link + commitment_root)
