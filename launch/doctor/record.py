"""A run folder: who works on it, can it be taken up again, is its evidence complete."""

import time

from common.errors import CheckFailed
from launch.doctor.finding import Findings, failed, ok, warning
from launch.doctor.site import Site
from server.evidence import evidence_root
from server.run_folder import RunFolder
from server.run_status import read_status


def check_record(site: Site) -> Findings:
    """Look at the newest run's process, checkpoint, model and evidence."""
    if site.run is None:
        return
    yield from _check_process(site)
    folder = RunFolder(site.run)
    try:
        checkpoint = folder.load_checkpoint()
        if checkpoint is None:
            yield failed("checkpoint", f"{site.run} has no checkpoint; restore it from a backup, or start a new run.")
            return
        folder.get_object(checkpoint.model)
    except CheckFailed as error:
        yield failed("checkpoint", str(error))
        return
    yield ok("checkpoint", f"{checkpoint.settled_rounds} rounds are settled, and the last model is there.")
    try:
        roots = [evidence_root(folder.get_evidence(number + 1)) for number in range(checkpoint.settled_rounds)]
    except CheckFailed as error:
        yield failed("evidence", str(error))
        return
    if checkpoint.settlement is not None and roots[-1] != checkpoint.settlement.evidence_root:
        number = checkpoint.settled_rounds
        yield failed("evidence", f"The evidence of round {number} is not what was settled; restore it from a backup.")
    else:
        yield ok("evidence", f"The evidence of {len(roots)} rounds is there; `tfedrs verify` recomputes it.")


def _check_process(site: Site) -> Findings:
    assert site.run is not None  # noqa: S101  for the type checker
    try:
        status = read_status(site.run)
    except CheckFailed as error:
        yield warning("run", str(error))
        return
    if status is None:
        return
    life = status.life(time.time())
    if life == "dead":
        yield warning("run", f"{site.run} was interrupted; `tfedrs status` says how to go on.")
    elif life == "silent":
        yield warning("run", f"{site.run} gives no sign of life on {status.host}; look there.")
    elif life == "running":
        yield ok("run", f"Process {status.pid} works on {site.run}.")
    elif status.phase == "failed":
        yield warning("run", f"{site.run} failed ({status.reason}); `tfedrs status` says how to go on.")
    else:
        yield ok("run", f"{site.run} is done.")
