"""One client process as Flower starts it for a message, without Flower's network: its processor time by parts.

    python -m benchmarks.client_process --kind train|peer --client DIR --run DIR --bundle FILE

A process of its own for each measurement, since imports happen once. Prints one JSON object.
"""

import json
import sys
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

_STARTED = time.process_time()


def main() -> None:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    kind, run, client_dir = options["--kind"], Path(options["--run"]), Path(options["--client"])
    seconds = {"interpreter": _STARTED}
    began = time.process_time()
    import flwr.supernode.cli.flwr_clientapp  # noqa: F401, PLC0415 - measured
    from flwr.cli.install import install_from_fab  # noqa: PLC0415

    seconds["Flower's imports"] = time.process_time() - began
    bundle = Path(options["--bundle"]).read_bytes()
    install_from_fab(bundle, skip_prompt=True)
    began = time.process_time()
    install_from_fab(bundle, skip_prompt=True)  # the app is there already, as in all messages but the first
    seconds["the bundle, unpacked and compared"] = time.process_time() - began
    began = time.process_time()
    import client.app  # noqa: PLC0415
    import common.probe_scoring  # noqa: PLC0415

    seconds["our imports"] = time.process_time() - began
    from benchmarks.exclusive_time import ExclusiveTimes  # noqa: PLC0415
    from benchmarks.recorded_message import peer_task, round_task  # noqa: PLC0415
    from common.wire import peer_reply_content, train_reply_content  # noqa: PLC0415

    folder = client.store.ParticipantFolder(client_dir)
    message = round_task(run) if kind == "train" else peer_task(run, folder.account.address)
    folder = client.store.ParticipantFolder(client_dir)
    times = ExclusiveTimes(time.process_time, "the rest")
    store, training, scoring = client.store, client.training, client.scoring
    times.wrap("the account's key", store.ParticipantFolder, "account")
    times.wrap("its data", store.ParticipantFolder, "part", "probe_shards")
    times.wrap("keeping the reply", store.ParticipantFolder, "save_reply")
    times.wrap("the model, decoded", training, "received_state")
    times.wrap("the model, decoded", scoring, "received_state")
    times.wrap("local training", training, "local_update")
    times.wrap("the model, measured", training, "local_metrics")
    times.wrap("update encoded, committed, signed", training, "encode_update", "commitment_of", "sign")
    times.wrap("updates checked and applied", scoring.PeerWork, "apply_alone")
    times.wrap("ranking of the probe set", common.probe_scoring.MeasuredShard, "__init__", "gain")
    times.wrap("scores signed", scoring, "sign")
    if kind == "train":
        train_reply_content(times.within("the rest", training.train, message, 1, folder))
    else:
        scores = times.within("the rest", scoring.score, message, folder, scoring.PeerWork())
        peer_reply_content(folder.account.address, scores)
    usage = getrusage(RUSAGE_SELF)
    print(json.dumps({"cpu_seconds": seconds | times.stop(), "peak_rss": usage.ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
