"""The Flower app as the one file that is sent to the nodes (Flower's FAB), made in memory.

`flwr build` walks the whole checkout, with a virtual environment some ten thousand files. Here only what
`fab-include` names is looked at; Flower's own function makes the bundle, so the bytes are those of `flwr build`.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from common.errors import WrongUse


@dataclass(frozen=True)
class AppBundle:
    """A bundle's bytes, their sha256 (hexadecimal), and the run settings that the app declares."""

    content: bytes
    sha256: str
    settings: frozenset[str]


def build_app_bundle(app_dir: Path) -> AppBundle:
    """Bundle the app whose `pyproject.toml` lies in `app_dir`.

    Raises:
        WrongUse: there is no Flower app, or Flower refuses it.
    """
    from flwr.cli.build import build_fab_from_files  # noqa: PLC0415 - takes 0.5 s, `--help` must not

    try:
        project = tomllib.loads((app_dir / "pyproject.toml").read_text(encoding="utf-8"))
        app = project["tool"]["flwr"]["app"]
    except (OSError, ValueError, KeyError) as error:
        raise WrongUse(f"{app_dir} holds no Flower app: give the folder of its pyproject.toml") from error
    patterns = ["pyproject.toml", ".gitignore", *app.get("fab-include", ["**/*"])]
    files = {
        path.relative_to(app_dir).as_posix(): path
        for pattern in patterns
        for path in app_dir.glob(pattern)
        if path.is_file() and not path.is_symlink()
    }
    try:
        content, _ = build_fab_from_files(files)
    except ValueError as error:
        raise WrongUse(f"Flower cannot bundle the app in {app_dir}: {error}") from error
    return AppBundle(content, hashlib.sha256(content).hexdigest(), frozenset(_flat_keys(app.get("config", {}))))


def _flat_keys(settings: dict[str, object], prefix: str = "") -> list[str]:
    keys = []
    for key, value in settings.items():
        keys += _flat_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
    return keys
