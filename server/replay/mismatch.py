"""The first thing in a run's record that does not follow from the rest."""

from common.errors import CheckFailed


class Mismatch(CheckFailed):
    """One field of the record is not what it must be.

    Attributes:
        server_round: The round; None where the fault lies in the run's opening.
        account: The client that it is about; None where it is about the round as a whole.
        field: Where in the record, as in the evidence, such as "judgements.weight_wad".
        reason: What is wrong, without a full stop.
    """

    def __init__(self, server_round: int | None, account: str | None, field: str, reason: str) -> None:
        self.server_round = server_round
        self.account = account
        self.field = field
        self.reason = reason
        where = "The opening of the run" if server_round is None else f"Round {server_round}"
        whose = f", client {account}" if account else ""
        super().__init__(f"{where}{whose}, {field}: {reason}.")

    def record(self) -> dict[str, object]:
        """Return round, client, field and reason under these names."""
        return {
            "round": self.server_round,
            "client": self.account,
            "field": self.field,
            "reason": self.reason,
        }


def expect(server_round: int | None, account: str | None, field: str, found: object, expected: object) -> None:
    """Return if the two are equal.

    Raises:
        Mismatch: they are not; the sentence gives both.
    """
    if found != expected:
        raise Mismatch(server_round, account, field, f"it is {_shown(found)} and must be {_shown(expected)}")


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
