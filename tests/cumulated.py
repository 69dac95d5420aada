"""`cumulated.py RECORD RUN LATER_RECORD LATER_RUN`: exits 1 unless the later rewards go on where the earlier end.

The evidence of both is taken as `verify` has just confirmed it against the ledger.
"""

import json
import sys
from pathlib import Path
from typing import Any


def evidence(record: str, run: str) -> list[dict[str, Any]]:
    paths = sorted(Path(record, "runs", run, "evidence").glob("round-*.json"))
    return [json.loads(path.read_bytes()) for path in paths]


def main(record: str, run: str, later_record: str, later_run: str) -> bool:
    before, after = evidence(record, run)[-1], evidence(later_record, later_run)[0]
    total = {one["account"]: int(one["cumulative_wei"]) for one in before["judgements"]}
    for one in after["judgements"]:
        total[one["account"]] += int(one["reward_wei"])
    now = {one["account"]: int(one["cumulative_wei"]) for one in after["judgements"]}
    return (
        before["domain"] == after["domain"]
        and before["cohort"] == after["cohort"]
        and now == {account: total[account] for account in now}
    )


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
