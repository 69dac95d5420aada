"""Python and the packages, against what this checkout asks for."""

import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from launch.doctor.finding import Findings, failed, ok, warning
from launch.workspace import PROJECT_ROOT


def check_versions() -> Findings:
    """Compare what is installed with the pins of pyproject.toml."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = platform.python_version()
    if SpecifierSet(project["requires-python"]).contains(python):
        yield ok("python", f"Python {python}.")
    else:
        wanted = project["requires-python"]
        yield failed("python", f"Python is {python}, not {wanted}; make the environment with `make setup`.")
    different = []
    for requirement in map(Requirement, project["dependencies"]):
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield failed("packages", f"{requirement.name} is not installed; install the pins with `make setup`.")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            different.append(f"{requirement.name} is {installed}, not {requirement.specifier}")
    if different:
        yield warning("packages", f"{'; '.join(different)}: install the pins with `make setup`.")
    else:
        yield ok("packages", f"The {len(project['dependencies'])} packages are as pinned.")
