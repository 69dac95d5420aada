"""`tfedrs doctor`: looks for what will not work, before or after it did not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.errors import CheckFailed
from launch.doctor.certificates import check_certificates
from launch.doctor.chain import check_chain
from launch.doctor.finding import Finding, Findings, failed
from launch.doctor.keys import check_keys
from launch.doctor.machine import check_disk, check_programs, check_resources
from launch.doctor.network import check_coordinator, check_port
from launch.doctor.record import check_record
from launch.doctor.site import Site, site_of
from launch.doctor.versions import check_versions

CHECKS: tuple[Callable[[Site], Findings], ...] = (
    check_disk,
    check_resources,
    check_programs,
    check_keys,
    check_certificates,
    check_port,
    check_coordinator,
    check_chain,
    check_record,
)


def examine(folder: Path | None, chain: str) -> list[Finding]:
    """Return what all checks find; nothing is changed and nothing is started.

    Args:
        folder: A run, a coordinator's or a participant's folder; None looks at the machine alone.
        chain: URL of the chain; "" takes the plan's, or the one in TFEDRS_CHAIN_URL.

    Raises:
        WrongUse: the folder is none of these.
    """
    site = site_of(folder, chain)
    findings = list(check_versions())
    for check in CHECKS:
        subject = check.__name__.removeprefix("check_")
        try:
            findings += check(site)
        except OSError as error:
            findings.append(failed(subject, f"It cannot be looked at ({error}); correct that and look again."))
    return findings


def as_record(findings: list[Finding]) -> dict[str, Any]:
    """Return what --json prints."""
    return {"healthy": not _failed(findings), "findings": [asdict(finding) for finding in findings]}


def describe(findings: list[Finding]) -> str:
    """Return a line for each finding, and a sum."""
    marks = {"ok": "ok      ", "warning": "warning ", "failed": "FAILED  "}
    lines = [f"{marks[one.level]}{one.subject:14s}{one.text}" for one in findings]
    counts = Counter(one.level for one in findings)
    return "\n".join([*lines, f"{counts['ok']} ok, {counts['warning']} warnings, {counts['failed']} failed."])


def raise_if_any_failed(findings: list[Finding]) -> None:
    """Raise CheckFailed, which names the first."""
    if bad := _failed(findings):
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise CheckFailed(f"A check failed ({bad[0].subject}{more}); do what its line says.")


def _failed(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.level == "failed"]
