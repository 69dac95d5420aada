"""`tfedrs experiment NAME`: the tables and figures, each a module of experiments/ that can be called by itself too.

They lie above this package, so they are found by name and imported only when one is run.
"""

import ast
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from common.errors import WrongUse

_PACKAGE = "experiments"
_OF_THE_EXTRA = {"implicit", "matplotlib", "scipy", "sklearn", "threadpoolctl"}


def experiments() -> dict[str, str]:
    """Return every experiment's name with its first line, without importing any of them."""
    found = {}
    for path in sorted(_folder().glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem.replace("_", "-")] = (ast.get_docstring(tree) or "").splitlines()[0]
    return found


def experiment(name: str, arguments: Sequence[str]) -> None:
    """Run one of them with its own arguments.

    Raises:
        WrongUse: there is none of this name, or it needs packages that are not installed.
        SystemExit: its --help was asked for, or its arguments are wrong.
    """
    known = experiments()
    if name not in known:
        raise WrongUse(f"There is no experiment {name!r}; choose one of {', '.join(known)}.")
    try:
        import_module(f"{_PACKAGE}.{name.replace('-', '_')}").main(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_THE_EXTRA:
            raise
        raise WrongUse(
            f"This experiment needs {error.name}, which a run does not: pip install --constraint requirements.lock "
            "'.[experiments]'."
        ) from error


def _folder() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WrongUse("The experiments are not installed; run `tfedrs experiment` in a checkout of the project.")
    return Path(spec.submodule_search_locations[0])
