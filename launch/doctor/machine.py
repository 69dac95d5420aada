"""Disk, memory, processors, open files, programs."""

import os
import resource
import shutil
from pathlib import Path

from common.errors import EnvironmentFailure, WrongUse
from launch.anvil import find_anvil
from launch.doctor.finding import Findings, failed, ok, warning
from launch.doctor.site import Site
from launch.fleet_proxy import nginx_program
from launch.workspace import require_writable

LEAST_FREE_BYTES, GOOD_FREE_BYTES = 1 << 30, 5 << 30
CLIENT_BYTES = 400 << 20
"""What one client's processes take at most, for the default model and data."""
GOOD_OPEN_FILES = 1024
_DEFAULT_CLIENTS = 5
_MEMORY = Path("/proc/meminfo")


def check_disk(site: Site) -> Findings:
    """Look at free space and the right to write."""
    existing = next(path for path in (site.folder, *site.folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / (1 << 30):,.1f} GiB are free in {existing}"
    if free < LEAST_FREE_BYTES:
        yield failed("disk", f"{text}; a run needs at least 1: make room, or choose another folder.")
    elif free < GOOD_FREE_BYTES:
        yield warning("disk", f"{text}; a long run needs more: a round keeps its model and all updates.")
    else:
        yield ok("disk", f"{text}.")
    try:
        require_writable(site.folder)
    except WrongUse as error:
        yield failed("disk", str(error))


def check_resources(site: Site) -> Findings:
    """Look at memory, processors and the limit on open files."""
    clients = 1 if site.participant or site.plan else site.settings.clients if site.settings else _DEFAULT_CLIENTS
    who = f"{clients} client{'s' if clients > 1 else ''}"
    available = _available_bytes()
    if available is not None:
        text = f"{available / (1 << 30):,.1f} GiB of memory are available"
        if available < clients * CLIENT_BYTES:
            yield warning("memory", f"{text}, {who} may need {clients * CLIENT_BYTES / (1 << 30):,.1f}; use fewer.")
        else:
            yield ok("memory", f"{text}, enough for {who}.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        yield warning("processors", "There is 1 processor; phases take longer, raise --phase-timeout where they fail.")
    else:
        yield ok("processors", f"{cores} processors.")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < GOOD_OPEN_FILES:
        yield warning("open files", f"This process may open {soft} files (at most {hard}); raise it with `ulimit -n`.")
    else:
        yield ok(
            "open files", f"{'Any number of' if soft == resource.RLIM_INFINITY else f'{soft:,}'} files may be open."
        )


def check_programs(site: Site) -> Findings:
    """Look for nginx, Anvil and npm."""
    if site.plan is not None:
        try:
            yield ok("nginx", f"nginx is {nginx_program()}.")
        except EnvironmentFailure as error:
            yield failed("nginx", str(error))
    if site.participant is not None:
        return
    try:
        program = find_anvil()
    except WrongUse as error:
        yield failed("anvil", str(error))
        return
    if program is not None:
        yield ok("anvil", f"Anvil is {program}.")
    elif site.plan is not None and site.plan.chain == "anvil":
        yield failed("anvil", "The plan's chain is Anvil, which is not here; install npm and run `make setup`.")
    else:
        npm = "run `make setup`" if shutil.which("npm") else "install npm and run `make setup`"
        yield warning("anvil", f"Anvil is not here, runs use the embedded chain; for Anvil {npm}.")


def _available_bytes() -> int | None:
    try:
        lines = _MEMORY.read_text().splitlines()
    except OSError:
        return None
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kibibytes) * 1024
