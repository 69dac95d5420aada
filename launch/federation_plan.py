"""`federation.toml`: who takes part, where they meet, which chain, which settings."""

import ipaddress
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from common.bounded_toml import read_toml
from common.config import Settings, flag_of
from common.errors import WrongUse

PLAN_FILE = "federation.toml"
EXAMPLE = """\
  name = "cinema"
  address = "fed.example.org"       # what participants connect to
  port = 9443
  listen = "0.0.0.0"                # the address to listen on (0.0.0.0)
  chain = "http://127.0.0.1:8545"   # or "embedded", "anvil" (embedded)
  participants = ["alice", "bob"]   # their keys are made here
  own_keys = ["carol"]              # makes its own: `tfedrs join`
  own_data = ["carol"]              # brings its own: `tfedrs prepare-data`

  [settings]                        # of `tfedrs run`; clients follows
  dataset = "ml-latest-small-2016"
  rounds = 5"""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")  # a folder, a unit of systemd, a word on a command line
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_CHAINS = ("embedded", "anvil")


@dataclass(frozen=True)
class FederationPlan:
    """What `federation.toml` says.

    Attributes:
        name: Of the federation.
        address: The host name or IP address that participants connect to.
        port: The port there.
        listen: The address of the coordinator's machine to listen on.
        chain: "embedded", "anvil" or a URL.
        participants: Those whose keys are made by `provision`.
        own_keys: Those who make their own.
        own_data: Those of both who bring their own interactions; the data set is cut for the others.
        settings: With `clients` as many as both together.
    """

    name: str
    address: str
    port: int
    listen: str
    chain: str
    participants: tuple[str, ...]
    own_keys: tuple[str, ...]
    own_data: tuple[str, ...]
    settings: Settings

    @property
    def everybody(self) -> tuple[str, ...]:
        """All names, in the order in which the data are cut."""
        return self.participants + self.own_keys

    @property
    def public_address(self) -> str:
        """The "host:port" that participants connect to."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def load_plan(path: Path) -> FederationPlan:
    """Read and check a plan.

    Raises:
        WrongUse: the file cannot be read, or a value is not what it should be.
    """
    try:
        table = read_toml(path)
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path} cannot be read ({error}); see `tfedrs provision --help` for an example.") from error
    try:
        return _plan(table)
    except WrongUse as error:
        raise WrongUse(f"In {path}: {error}") from error


def _plan(table: dict[str, Any]) -> FederationPlan:
    known = {entry.name for entry in fields(FederationPlan)}
    if unknown := sorted(set(table) - known):
        raise WrongUse(f"{unknown[0]!r} is no key; the keys are {', '.join(sorted(known))}.")
    address = _text(table, "address")
    if not _is_address(address) and not _HOST.fullmatch(address):
        raise WrongUse(f"address = {address!r} is neither a host name nor an IP address.")
    listen = _text(table, "listen", "0.0.0.0")  # noqa: S104 - that is what it is for
    if not _is_address(listen):
        raise WrongUse(f"listen = {listen!r} is no IP address of this machine.")
    port = table.get("port", 9443)
    if type(port) is not int or not 0 < port < 65536:
        raise WrongUse(f"port = {port!r} must be a number from 1 to 65535.")
    chain = _text(table, "chain", "embedded")
    if chain not in _CHAINS and not chain.startswith(("http://", "https://")):
        raise WrongUse(f"chain = {chain!r} must be embedded, anvil or a URL like http://127.0.0.1:8545.")
    made, own = _names(table, "participants"), _names(table, "own_keys")
    everybody = made + own
    if len(set(everybody)) != len(everybody) or len(everybody) < 2:
        raise WrongUse("participants and own_keys must name at least two, and nobody twice.")
    settings = _settings(table.get("settings", {}), len(everybody))
    own_data = _own_data(table, everybody, settings)
    return FederationPlan(_name(_text(table, "name")), address, port, listen, chain, made, own, own_data, settings)


def _own_data(table: dict[str, Any], everybody: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    names = _names(table, "own_data")
    if len(set(names)) != len(names) or not set(names) <= set(everybody):
        raise WrongUse("own_data must name some of participants and own_keys, and nobody twice.")
    if names and settings.model == "mf":
        raise WrongUse("own_data does not go with model = 'mf', whose ratings are looked at before anything is cut.")
    if names and settings.train_on_validation:
        raise WrongUse("own_data does not go with train-on-validation, which is decided where the data are cut.")
    return names


def _settings(told: Any, clients: int) -> Settings:
    known = {flag_of(entry.name) for entry in fields(Settings)} - {"clients"}
    if not isinstance(told, dict):
        raise WrongUse("settings must be a table.")
    if unknown := sorted(set(told) - known):
        raise WrongUse(f"{unknown[0]!r} is no key of [settings]; they are the flags of `tfedrs run`, without clients.")
    return Settings.from_run_config(Settings().to_run_config() | told | {"clients": clients})


def _text(table: dict[str, Any], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not value:
        raise WrongUse(f"{key} must be given as text.")
    return value


def _names(table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise WrongUse(f"{key} must be a list of names.")
    return tuple(map(_name, value))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise WrongUse(f"the name {value!r} must be of small letters, digits and -, at most 32, a letter first.")
    return value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
