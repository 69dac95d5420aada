"""What a resumable experiment keeps: for each data set its settings and what was measured with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.bounded_json import parse_json
from common.config import Settings
from common.errors import WrongUse
from experiments.accuracy_cells import remark, size


def new_entry(settings: Settings, reason: str, root: Path, cells: Any) -> dict[str, Any]:
    """Return a data set's entry before anything is measured; one that cannot be ranked has its refusal.

    Args:
        settings: That all its cells share.
        reason: Why these, in a sentence for the page.
        root: Folder of the data sets that are not bundled.
        cells: The empty collection of cells.
    """
    try:
        about = size(settings, root)
    except WrongUse as error:
        refusal = f"{error} {remark(settings.dataset, root)}".rstrip()
        return {"refusal": refusal, "settings": {}, "cells": cells}
    return {
        "refusal": None,
        "about": about,
        "reason": reason,
        "settings": _shared(settings),
        "commits": [],
        "cells": cells,
    }


def read_record(path: Path, settings: Mapping[str, Settings]) -> dict[str, Any]:
    """Return what was measured before, by data set; nothing where the file is not there.

    Raises:
        WrongUse: one of these data sets was measured with other settings.
    """
    if not path.exists():
        return {}
    record: dict[str, Any] = parse_json(path.read_bytes())["datasets"]
    for name, own in settings.items():
        if name not in record or record[name]["refusal"]:
            continue
        before = _shared(Settings()) | record[name]["settings"]  # a setting that came since had its default
        changed = sorted(key for key, value in _shared(own).items() if before[key] != value)
        if changed:
            raise WrongUse(
                f"{path} has {name} measured with other settings ({', '.join(changed)}); choose another --out."
            )
    return record


def _shared(settings: Settings) -> dict[str, Any]:
    """Return the settings that all cells of a data set share."""
    return {key: value for key, value in settings.to_run_config().items() if key not in ("dataset", "seed")}
