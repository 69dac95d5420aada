"""The compiled contracts, as committed in `artifacts/`; no compiler and no node is needed to use them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARTIFACT_DIRECTORY = Path(__file__).parent / "artifacts"
CONTRACT_NAMES = ("ParticipantRegistry", "RewardToken", "RoundLedger")


@dataclass(frozen=True)
class Artifact:
    """One compiled contract.

    Attributes:
        name: One of `CONTRACT_NAMES`.
        abi: Functions, events, errors and the constructor, as web3 takes them.
        bytecode: What deploys it (constructor arguments go behind), as "0x" and hex digits.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: str


def artifact_path(name: str) -> Path:
    """Where the committed artifact of a contract lies."""
    return ARTIFACT_DIRECTORY / f"{name}.json"


def load_artifact(name: str) -> Artifact:
    """Read a committed artifact.

    Args:
        name: One of `CONTRACT_NAMES`.

    Raises:
        KeyError: there is no contract of that name.
    """
    if name not in CONTRACT_NAMES:
        raise KeyError(f"no contract is named {name}; there are {', '.join(CONTRACT_NAMES)}")
    content = json.loads(artifact_path(name).read_text(encoding="utf-8"))
    return Artifact(name=content["contractName"], abi=content["abi"], bytecode=content["bytecode"])
