"""The run folder before the first round: made, linked, and with everything in it that is needed to repeat the run."""

import os
import platform
import subprocess
import time
from contextlib import suppress
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically
from common.config import Settings
from common.errors import WrongUse

PROJECT_ROOT = Path(__file__).resolve().parent.parent
LATEST = "latest"
_RUNS = Path("runs")
_PACKAGES = ("tfedrs", "flwr", "numpy", "web3", "eth-account", "py-evm")


def choose_run_folder(out: Path | None) -> Path:
    """Return where the run will be written, absolute, without writing anything yet.

    Args:
        out: The folder that the user named; None chooses `runs/<time>`.

    Raises:
        WrongUse: it holds something already, or cannot be written.
    """
    folder = out.absolute() if out is not None else _new_run_folder()
    require_writable(folder)
    if folder.exists() and any(folder.iterdir()):
        raise WrongUse(f"{folder} is not empty; choose another folder with --out.")
    return folder


def require_writable(folder: Path) -> None:
    """Make sure that files can be written below a folder, which need not be there yet.

    Raises:
        WrongUse: they cannot.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise WrongUse(f"{existing} is a file, so nothing can be written below it; choose another folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise WrongUse(f"{existing} cannot be written by this user; choose another folder.")


def link_latest(folder: Path) -> None:
    """Point `runs/latest` to a run folder in `runs/`; elsewhere, and in place of a real file, nothing is linked."""
    latest = folder.with_name(LATEST)
    if folder.parent != _RUNS.absolute() or (latest.exists() and not latest.is_symlink()):
        return
    beside = folder.with_name(f".{LATEST}.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(folder.name)
    beside.replace(latest)


def _new_run_folder() -> Path:
    """Return `runs/<time>`, with a number behind it where another run began in the same second."""
    first = (_RUNS / time.strftime("%Y%m%d-%H%M%S")).absolute()
    folders = chain([first], (first.with_name(f"{first.name}-{number}") for number in count(2)))
    return next(folder for folder in folders if not folder.exists())


def write_config(folder: Path, settings: Settings, data_hashes: dict[str, str]) -> None:
    """Write config.toml: settings, versions, data hashes and commit."""
    config = {
        "settings": settings.to_run_config(),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in _PACKAGES}},
        "data_sha256": data_hashes,
        "source": {"git_commit": git_commit()},
    }
    write_atomically(folder / "config.toml", tomli_w.dumps(config).encode())


def git_commit() -> str:
    """Return the commit, with "+changes" where files differ from it; "unknown" outside a checkout."""
    try:
        commit, status = (
            subprocess.run(
                ["git", *arguments],  # noqa: S607 - the user's own git
                cwd=PROJECT_ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+changes" if status else commit
