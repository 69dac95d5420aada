"""What lies in a participant's folder on its own machine, beside the files that `client/store.py` lists.

participant.toml   whom it connects to, under which name, and the app bundles that it is willing to run
deployment.json    where the contracts are
start.sh           the one command; NAME.service starts it with the machine, compose.yml in a container
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically
from common.bounded_toml import read_toml
from common.errors import WrongUse
from launch.start_files import Service, write_compose_file, write_start_files

PARTICIPANT_FILE = "participant.toml"
_README = """\
# {name}, a participant of {federation}

    ./start.sh

starts the SuperNode and stays. It needs this project installed (`make setup`), so that `tfedrs` is on PATH. To start it
with the machine: `tfedrs-{name}.service`. Or in a container, with the project's image and nothing else installed:

    echo "TFEDRS_USER=$(id -u):$(id -g)" > .env
    docker compose up --detach

Every other command is then called as `docker compose run --rm participant ...` in place of `tfedrs ...`, and sees only
this folder.

Nobody else needs `account.json`, `account.pass` and `node.key`; keep the first two, they own the rewards.{own}

`participant.toml` lists under `apps` the sha256 of the app bundles that this machine runs. The coordinator ships the
app; a bundle that is not listed is refused before it is unpacked. `tfedrs bundle` prints the sha256 of a checkout.
"""
_OWN = """

This folder came without keys. Make them here and send `request.json`, which is public, to the coordinator:

    tfedrs join . --name {name} --federation {federation}"""


_OWN_DATA = """

This folder came without data. Make `data.npz` here, from a CSV of your own; nothing of it leaves this machine:

    tfedrs prepare-data . --csv ratings.csv --csv-columns user=userId,item=movieId,rating=rating,timestamp=timestamp

Items are those of `catalogue.json`; what is not in it is left out, and counted."""


@dataclass(frozen=True)
class Participant:
    """The content of `participant.toml`.

    Attributes:
        name: As the federation's plan has it.
        federation: The federation's name.
        superlink: "host:port" of the coordinator's proxy.
        apps: sha256 of the app bundles to run, in hexadecimal; empty runs whatever the coordinator ships.
    """

    name: str
    federation: str
    superlink: str
    apps: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write `participant.toml`."""
        record = asdict(self) | {"apps": list(self.apps)}
        write_atomically(folder / PARTICIPANT_FILE, tomli_w.dumps(record).encode())

    @staticmethod
    def load(folder: Path) -> "Participant":
        """Read it.

        Raises:
            WrongUse: it is missing or damaged.
        """
        path = folder / PARTICIPANT_FILE
        try:
            record = read_toml(path)
            apps = tuple(str(app).lower() for app in record["apps"])
            if not all(len(app) == 64 and set(app) <= set("0123456789abcdef") for app in apps):
                raise ValueError("apps must be sha256 values in hexadecimal")
            return Participant(str(record["name"]), str(record["federation"]), str(record["superlink"]), apps)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongUse(f"{path} cannot be read ({error}); ask the coordinator for it again.") from error


def write_start(participant: Participant, folder: Path, *, own_keys: bool, own_data: bool) -> None:
    """Write the start script, the unit of systemd, the compose file and the README."""
    name, federation = participant.name, participant.federation
    own = _OWN.format(name=name, federation=federation) if own_keys else ""
    own += _OWN_DATA if own_data else ""
    (folder / "README.md").write_text(_README.format(name=name, federation=federation, own=own))
    place = f"/srv/tfedrs/{name}"
    service = Service(f"tfedrs-{name}.service", f"participant {name}", place, "participate", place, memory="2G")
    write_start_files(folder, service)
    write_compose_file(folder, name)
