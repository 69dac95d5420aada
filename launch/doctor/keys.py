"""Secrets are for their owner alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from client.store import DATA_FILE
from common.account import KEYSTORE_FILE, PASSPHRASE_FILE
from launch.doctor.finding import Findings, failed, ok
from launch.doctor.site import Site
from launch.node_keys import NODE_KEY_FILE
from server.federation import SECRET_FILE

_SECRETS = (KEYSTORE_FILE, PASSPHRASE_FILE, NODE_KEY_FILE, SECRET_FILE, DATA_FILE, "server.key", "superexec.secret")
_SHOWN = 3


def check_keys(site: Site) -> Findings:
    """Look at the modes of keys, passphrases and data, and at who owns them."""
    if site.coordinator is None and site.participant is None:
        return
    home = site.folder if site.participant is not None or site.coordinator is None else site.coordinator.parent
    secrets = sorted(_secrets_in(home))
    open_to_others = [path for path in secrets if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    foreign = [path for path in secrets if os.geteuid() not in (0, path.stat().st_uid)]
    if open_to_others:
        yield failed(
            "keys", f"Others can read {_listed(open_to_others)}; `chmod 600` them, and replace keys that were seen."
        )
    if foreign:
        yield failed("keys", f"Another user owns {_listed(foreign)}; `chown` them to who runs this.")
    if not open_to_others and not foreign:
        yield ok("keys", f"{len(secrets)} files with keys, passphrases and data are for their owner alone.")


def _secrets_in(home: Path) -> Iterator[Path]:
    for pattern in ("*", "*/*", "*/*/*"):
        for path in home.glob(pattern):
            if path.name in _SECRETS and path.is_file():
                yield path


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(str, paths[:_SHOWN])) + more
