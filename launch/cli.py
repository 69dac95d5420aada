"""The command line. An error is one sentence on stderr and an exit code: 1 a check failed, 2 wrong use, 3 environment.

What each command does lies in launch/handlers/.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

# Protocol code runs on one BLAS thread, so that the same settings give the same bytes; numpy reads this when imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from common.errors import EnvironmentFailure, TfedrsError
from common.log_lines import wants_json
from launch.arguments import parser
from launch.handlers import data, ledger, machines, operations, training
from launch.termination import ENDING_SIGNALS, termination_raises

TRACEBACK_VARIABLE = "TFEDRS_TRACEBACK"
_INTERRUPTED = 130
_STOPPED = {128 + number for number in ENDING_SIGNALS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Raises:
        SystemExit: --help was asked for.
    """
    try:
        with termination_raises():
            parsed = parser().parse_args(arguments)
            wants_json()  # a wrong TFEDRS_LOG_FORMAT is told now, and not by a process that is started later
            result = _COMMANDS[parsed.command](parsed)
    except TfedrsError as error:
        return _failed(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _failed("Interrupted; everything that was started is stopped.", _INTERRUPTED)
    except SystemExit as end:
        if end.code not in _STOPPED:
            raise
        return _failed("Told to stop; everything that was started is stopped.", int(end.code))
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        return _failed(
            f"The system refuses to go on ({what}); check the disk and the rights, or choose another folder.",
            EnvironmentFailure.exit_code,
        )
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever happens
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        return _failed(
            f"This should not happen: {type(error).__name__}: {error}; "
            f"run it again with {TRACEBACK_VARIABLE}=1 and report what it prints.",
            TfedrsError.exit_code,
        )
    if parsed.json:
        print(json.dumps(result))  # noqa: T201
    return 0


def as_sentence(text: str) -> str:
    """Return a message as one line that begins with a capital letter and ends with a full stop.

    A first word that is no plain word (a flag, a path, a data set) is left as it is.
    """
    line = " ".join(text.split())
    first = line.split(" ", 1)[0]
    if first.isalpha():
        line = line[:1].upper() + line[1:]
    return line if line.endswith(".") else f"{line}."


def _failed(message: str, exit_code: int) -> int:
    print(f"tfedrs: {as_sentence(message)}", file=sys.stderr)  # noqa: T201 - the one place that speaks of errors
    return exit_code


_COMMANDS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "run": training.run,
    "simulate": training.simulate,
    "deploy": ledger.deploy,
    "verify": ledger.verify,
    "claim": ledger.claim,
    "account": ledger.account,
    "experiment": training.experiment,
    "data": data.data,
    "provision": machines.provision,
    "coordinate": machines.coordinate,
    "participate": machines.participate,
    "join": machines.join,
    "prepare-data": machines.prepare_data,
    "admit": machines.admit,
    "revoke": machines.revoke,
    "renew": machines.renew,
    "bundle": machines.bundle,
    "status": operations.status,
    "doctor": operations.doctor,
    "backup": operations.backup,
    "restore": operations.restore,
}


if __name__ == "__main__":
    sys.exit(main())
