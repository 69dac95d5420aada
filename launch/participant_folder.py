"""What lies in a participant's folder on its own machine, beside the files that `client/store.py` lists.

participant.toml   whom it connects to, under which name, and the app bundles that it is willing to run
deployment.json    where the contracts are
start.sh           the one command; NAME.service starts it with the machine
"""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically
from common.errors import WrongUse

PARTICIPANT_FILE = "participant.toml"
_START = """\
#!/bin/sh
# Stays until Ctrl-C or SIGTERM. Needs this project's `tfedrs` on PATH.
exec tfedrs {command} "$(dirname "$0")"
"""
_UNIT = """\
# cp {unit} /etc/systemd/system/ && systemctl enable --now {unit}
# Put the folder to {place}, owned by the user "tfedrs", and the project's programs to /opt/tfedrs/bin.
[Unit]
Description=T-FedRS {what}
After=network-online.target
Wants=network-online.target

[Service]
User=tfedrs
Environment=PATH=/opt/tfedrs/bin:/usr/sbin:/usr/bin:/bin
ExecStart={place}/start.sh
Restart=on-failure
RestartSec=10
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""
_README = """\
# {name}, a participant of {federation}

    ./start.sh

starts the SuperNode and stays. It needs this project installed (`make setup`), so that `tfedrs` is on PATH. To start it
with the machine: `tfedrs-{name}.service`.

Nobody else needs `account.json`, `account.pass` and `node.key`; keep the first two, they own the rewards.{own}

`participant.toml` lists under `apps` the sha256 of the app bundles that this machine runs. The coordinator ships the
app; a bundle that is not listed is refused before it is unpacked. `tfedrs bundle` prints the sha256 of a checkout.
"""
_OWN = """

This folder came without keys. Make them here and send `request.json`, which is public, to the coordinator:

    tfedrs join . --name {name} --federation {federation}"""


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
            record = tomllib.loads(path.read_text(encoding="utf-8"))
            apps = tuple(str(app).lower() for app in record["apps"])
            if not all(len(app) == 64 and set(app) <= set("0123456789abcdef") for app in apps):
                raise ValueError("apps must be sha256 values in hexadecimal")
            return Participant(str(record["name"]), str(record["federation"]), str(record["superlink"]), apps)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongUse(f"{path} cannot be read ({error}); ask the coordinator for it again.") from error


def write_start(participant: Participant, folder: Path, *, own_keys: bool) -> None:
    """Write the start script, the unit of systemd and the README."""
    name, federation = participant.name, participant.federation
    own = _OWN.format(name=name, federation=federation) if own_keys else ""
    (folder / "README.md").write_text(_README.format(name=name, federation=federation, own=own))
    write_start_files(folder, f"tfedrs-{name}.service", f"participant {name}", f"/srv/tfedrs/{name}", "participate")


def write_start_files(folder: Path, unit: str, what: str, place: str, command: str) -> None:
    """Write `start.sh` and a unit of systemd that calls it."""
    script = folder / "start.sh"
    script.write_text(_START.format(command=command))
    script.chmod(0o755)
    (folder / unit).write_text(_UNIT.format(unit=unit, what=what, place=place))
