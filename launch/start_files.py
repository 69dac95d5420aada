"""How a machine of a provisioned federation is started: a script, a unit of systemd, a compose file."""

from dataclasses import dataclass
from pathlib import Path

RESTART_SECONDS = 5
"""A participant that was killed has to be back before its round goes on without it (`server/returning_nodes.py`)."""

_START = """\
#!/bin/sh
# Stays until Ctrl-C or SIGTERM. Needs this project's `tfedrs` on PATH.
exec tfedrs {command} "$(dirname "$0")"
"""
# No MemoryDenyWriteExecute: numpy's and torch's libraries map memory that is both.
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
RestartSec={restart_seconds}
UMask=0077
MemoryMax={memory}
TasksMax=512
LimitNOFILE=16384
NoNewPrivileges=true
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths={writes}
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
ProtectControlGroups=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
LockPersonality=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
_COMPOSE = """\
# echo "TFEDRS_USER=$(id -u):$(id -g)" > .env      once: the keys are files of mode 600, so whoever owns them runs it
# docker compose up --detach                       stays, and comes back with the machine
# docker compose run --rm participant doctor .     any other `tfedrs` command
# The image is the project's; `docker compose build` in its folder makes tfedrs:local.
name: tfedrs-{name}

services:
  participant:
    image: ${{TFEDRS_IMAGE:-tfedrs:local}}
    entrypoint: [tfedrs]
    command: [participate, .]
    working_dir: /participant
    user: "${{TFEDRS_USER:?write TFEDRS_USER=UID:GID of whoever owns this folder to the file .env in it}}"
    init: true
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: ["/tmp:mode=1777"]
    volumes: ["./:/participant"]
    restart: unless-stopped
    stop_grace_period: 30s
    logging:
      driver: json-file
      options: {{max-size: 10m, max-file: "3"}}
    deploy: {{resources: {{limits: {{cpus: "1", memory: 2g, pids: 256}}}}}}
"""


@dataclass(frozen=True)
class Service:
    """What a unit of systemd starts.

    Attributes:
        unit: Its file name.
        what: For people.
        place: Where the folder lies on its machine.
        command: Of `tfedrs`, with the folder as its argument.
        writes: The only place it may write to.
        memory: The most that it and all its processes may take, such as "2G".
    """

    unit: str
    what: str
    place: str
    command: str
    writes: str
    memory: str


def write_start_files(folder: Path, service: Service) -> None:
    """Write `start.sh` and a unit of systemd that calls it."""
    script = folder / "start.sh"
    script.write_text(_START.format(command=service.command))
    script.chmod(0o755)
    (folder / service.unit).write_text(_UNIT.format(**vars(service), restart_seconds=RESTART_SECONDS))


def write_compose_file(folder: Path, name: str) -> None:
    """Write `compose.yml`, which runs a participant in the project's image."""
    (folder / "compose.yml").write_text(_COMPOSE.format(name=name))
