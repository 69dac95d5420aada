"""A run that somebody submits to a federation that is already prepared: its settings and its folder.

The clients' data were cut, and the probe set drawn, before the first run. Every run on them shares the settings that
decided this; all others it may choose for itself. `docs/flwr-run.md` says so to people.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically
from common.bounded_toml import read_toml
from common.config import Settings, flag_of
from common.errors import WrongUse
from server.federation import Federation

CONFIG_FILE = "config.toml"
FIXED_BY_PREPARATION = (
    "dataset",
    "csv_columns",
    "clients",
    "seed",
    "partition",
    "partition_alpha",
    "train_on_validation",
    "committee_size",
    "volunteer_share",
    "probe_pairs",
    "probe_shards",
)
"""The fields of `Settings` that preparation reads; a test watches it doing so."""


def choose_run_folder(federation: Federation, run_dir: str) -> Path:
    """Return the folder that a run writes to; nothing is written yet.

    Args:
        federation: Its coordinator's folder lies in the folder that relative paths start from.
        run_dir: "" chooses the next number: `runs/1`, `runs/2`, ... The folder of an interrupted run resumes it.
    """
    home = federation.folder.parent
    if run_dir:
        return home / run_dir
    numbers = [int(path.name) for path in (home / "runs").glob("[0-9]*") if path.name.isdecimal()]
    return home / "runs" / str(max(numbers, default=0) + 1)


def federation_home(run: Path) -> Path:
    """Return the folder with coordinator, chain and clients: a run's own, or the one above the runs that share it."""
    shared = run.resolve().parent.parent
    return shared if (shared / "coordinator").is_dir() and not (run / "coordinator").is_dir() else run


def settings_of_run(
    federation: Federation, folder: Path, run_config: Mapping[str, object], overrides: Collection[str]
) -> Settings:
    """Return what a run was told, over what it was begun with, over what the federation was prepared with.

    The app's declared defaults say nothing: who does not speak of the number of clients means those there are.

    Args:
        federation: The prepared one.
        folder: The run folder; holds the settings of a run that is resumed.
        run_config: Flower's run config, defaults included.
        overrides: The keys that were given with this run, be their values the default ones or not.

    Raises:
        WrongUse: a value is out of its limits, or differs from what the data were cut by.
    """
    defaults = Settings().to_run_config()
    told = {key: value for key, value in run_config.items() if key in overrides or value != defaults.get(key)}
    settings = Settings.from_run_config(_begun_with(federation, folder).to_run_config() | told)
    for name in FIXED_BY_PREPARATION:
        value, prepared = getattr(settings, name), getattr(federation.prepared_with, name)
        if value != prepared:
            raise WrongUse(
                f"--{flag_of(name)} is {value!r}, but the data of this federation were cut with {prepared!r}; leave "
                f"{flag_of(name)} out of the run config, or prepare another federation with `tfedrs run --hold`."
            )
    _check_ratings_were_looked_at(settings, federation.prepared_with)
    return settings


def keep_settings(federation: Federation, folder: Path, settings: Settings) -> None:
    """Write the run's config.toml, unless the launcher or an earlier start of the same run has done so."""
    path = folder / CONFIG_FILE
    if not path.exists():
        config = {"settings": settings.to_run_config(), "data_sha256": federation.data_hashes}
        write_atomically(path, tomli_w.dumps(config).encode())


def _check_ratings_were_looked_at(settings: Settings, prepared: Settings) -> None:
    """Refuse `mf` where preparation, which alone sees all ratings, has not found them in the range of this run."""
    if settings.model != "mf":
        return
    if prepared.model != "mf":
        raise WrongUse(
            "--model is 'mf', but the ratings of this federation were not looked at when it was prepared; choose ials "
            "or ncf, or prepare another federation with `tfedrs run --hold --model mf`."
        )
    for name in ("least_rating", "greatest_rating"):
        value, known = getattr(settings, name), getattr(prepared, name)
        if value != known:
            raise WrongUse(
                f"--{flag_of(name)} is {value!r}, but the ratings of this federation were checked against {known!r}; "
                f"leave {flag_of(name)} out of the run config, or prepare another federation with `tfedrs run --hold`."
            )


def _begun_with(federation: Federation, folder: Path) -> Settings:
    path = folder / CONFIG_FILE
    try:
        return Settings.from_run_config(read_toml(path)["settings"])
    except FileNotFoundError:
        return federation.prepared_with
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(f"{path} cannot be read ({error}); restore it, or start a new run.") from error
