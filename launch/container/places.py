"""Where the services find each other and their volumes. docker-compose.yml mounts into each only what it needs.

chain/                     chain: Anvil's state
superlink/                 superlink: server.pem, server.key, superexec.secret
coordinator/               coordinator: account.json, account.pass, committee.secret, superexec.secret
clients/client-01/ ...     client: one folder for each, with data, account, node.key and ca.pem
record/                    nothing secret; what an auditor takes away
    federation.toml        who takes part; written last, so what was prepared is whole where it is there
    ca.pem                 the authority of the SuperLink's certificate
    coordinator/           federation.json, deployment.json, rewards, probe.npz; links to the coordinator's own volume
    runs/1/ ...            the run folders
"""

import os
from dataclasses import dataclass
from pathlib import Path

VOLUMES = Path(os.environ.get("TFEDRS_VOLUMES", "/srv/tfedrs"))
CHAIN, SUPERLINK, COORDINATOR, CLIENTS, RECORD = (
    VOLUMES / name for name in ("chain", "superlink", "coordinator", "clients", "record")
)
MEMBERS_FILE = RECORD / "federation.toml"
AUTHORITY = RECORD / "ca.pem"
SUPEREXEC_SECRET = "superexec.secret"  # noqa: S105 - a file name
SCRATCH = Path("/tmp")  # noqa: S108 - a container's own tmpfs, empty at every start
READY_FILE = SCRATCH / "ready"


@dataclass(frozen=True)
class Address:
    """A service's name in the network of the project, and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


CHAIN_ADDRESS = Address("chain", 8545)
CHAIN_URL = f"http://{CHAIN_ADDRESS}"
SUPERLINK_ADDRESS = Address("superlink", 8000)
METRICS_PORT = 9464  # of the coordinator, for Prometheus
NODE_PORT = 9094  # of a SuperNode, for its own processes
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside the project's own network; compose publishes on 127.0.0.1 alone
