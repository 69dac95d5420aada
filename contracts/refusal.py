"""What a contract answers when it does not do what it was asked."""

from common.errors import TfedrsError


class ContractRefusal(TfedrsError):
    """A contract refused the call; nothing was written.

    Attributes:
        name: The contract's custom error, such as "TreasuryShort".
        values: Its arguments by name, such as {"haveWei": 0, "wantWei": 5}.
    """

    def __init__(self, name: str, values: dict[str, object], call: str) -> None:
        listed = ", ".join(f"{key}={_readable(value)}" for key, value in values.items())
        super().__init__(f"The contract refused {call}: {name}({listed}).")
        self.name = name
        self.values = values


def _readable(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
