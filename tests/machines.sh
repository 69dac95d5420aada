#!/bin/bash
# Network namespaces as separate hosts: one coordinates, three take part, one is a stranger. Needs root, iproute2, nginx.
# Everything it makes, namespaces and processes and files, is gone at the end, however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
PYTHON=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON")
PATH=$(dirname "$PYTHON"):$PATH
TAG=tfm$$
HOSTS=(coord alice bob carol eve)
NET=10.77.0
export FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1
STARTED=()

skip() { echo "Separate machines are not tested: $1."; exit 0; }
[ "$(id -u)" = 0 ] || skip "only root can make network namespaces"
for program in ip nginx openssl; do
    command -v $program >/dev/null || skip "$program is not here"
done
ip netns add "$TAG-switch" 2>/dev/null || skip "no network namespace can be made here"
WORK=$(mktemp -d)

clean_up() {
    local code=$?
    trap - EXIT INT TERM
    [ $code = 0 ] || tail -n 5 "$WORK"/*.said 2>/dev/null || true
    for pid in "${STARTED[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null || true; done
    for host in "${HOSTS[@]}" switch; do ip netns del "$TAG-$host" 2>/dev/null || true; done
    rm -rf "$WORK"
    exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The bridge has a namespace of its own, where no firewall rule of this machine holds.
ip -n "$TAG-switch" link add bridge type bridge
ip -n "$TAG-switch" link set bridge up
number=0
for host in "${HOSTS[@]}"; do
    number=$((number + 1))
    ip netns add "$TAG-$host"
    ip link add eth0 netns "$TAG-$host" type veth peer name "$host" netns "$TAG-switch"
    ip -n "$TAG-switch" link set "$host" master bridge up
    ip -n "$TAG-$host" addr add "$NET.$number/24" dev eth0
    ip -n "$TAG-$host" link set eth0 up
    ip -n "$TAG-$host" link set lo up
    mkdir "$WORK/$host"  # the host's disk
done

on() { local host=$1; shift; ip netns exec "$TAG-$host" "$@"; }
tfedrs() { "$PYTHON" -m launch.cli "$@"; }
start() {  # start HOST NAME COMMAND...: in the background, what it says goes to NAME.said
    local host=$1 name=$2; shift 2
    ip netns exec "$TAG-$host" "$PYTHON" -m launch.cli "$@" >"$WORK/$name.said" 2>&1 &
    STARTED+=($!); LAST=$!
}
says() {  # says NAME SECONDS TEXT [TIMES]
    for _ in $(seq $(($2 * 5))); do
        [ "$(grep -cF -- "$3" "$WORK/$1.said")" -lt "${4:-1}" ] || return 0
        sleep 0.2
    done
    echo "FAILED: $1 never said: $3"; return 1
}
refused() {  # refused WHAT HOST TEXT FOLDER [FLAGS]: takes part, must end at once with that sentence and no other
    local what=$1 host=$2 text=$3 code=0; shift 3
    timeout 60 ip netns exec "$TAG-$host" "$PYTHON" -m launch.cli participate "$@" >"$WORK/refused.said" 2>&1 || code=$?
    if [ "$(wc -l <"$WORK/refused.said")" != 1 ] || ! grep -qF -- "$text" "$WORK/refused.said"; then
        echo "FAILED: $what:"; cat "$WORK/refused.said"; return 1
    fi
    case $code in 2 | 3) ;; *) echo "FAILED: $what: exit code $code"; return 1 ;; esac
    echo "refused: $what"; sed 's/^/    /' "$WORK/refused.said"
}

take_part() {  # all three, until their nodes are known
    local name
    for name in alice bob carol; do
        rm -f "$WORK/$name/part/work/logs/supernode.log"
        start $name $name participate "$WORK/$name/part"
        eval "PID_$name=$LAST"
    done
    for name in alice bob carol; do says $name 60 "takes part in hosts"; done
    for name in alice bob carol; do
        for _ in $(seq 150); do grep -q "SuperNode ID" "$WORK/$name/part/work/logs/supernode.log" 2>/dev/null && break; sleep 0.2; done
    done
}
train() {  # train HOME RUN: one round, heard by all three, settled and verified
    local status="" run=$1/runs/$2
    export FLWR_HOME=$1/served/flower/cli
    on coord flwr run . local >/dev/null
    for _ in $(seq 120); do
        status=$(on coord flwr list local --format json | "$PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["runs"][0]["status"])')
        case $status in finished*) break ;; esac
        sleep 1
    done
    [ "$status" = finished:completed ] || { echo "FAILED: the run ended as $status"; return 1; }
    "$PYTHON" - "$run/report.json" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
assert report["rounds"][0]["participants"] == 3 and report["ledger"]["settled_rounds"] == 1, report["rounds"]
print("3 hosts trained and were settled; NDCG@10", round(report["final"]["ndcg_at_10"], 4))
END
    tfedrs verify "$run" >"$WORK/verify.said" || { echo "FAILED: $run does not verify"; return 1; }
}

cat >"$WORK/federation.toml" <<END
name = "hosts"
address = "$NET.1"
port = 9443
participants = ["alice", "bob"]
own_keys = ["carol"]
[settings]
rounds = 1
factors = 8
probe-pairs = 50
phase-timeout = 90.0
END
tfedrs provision "$WORK/federation.toml" --out "$WORK/coord/hosts" >/dev/null
COORDINATOR=$WORK/coord/hosts/coordinator
for name in alice bob carol; do mv "$WORK/coord/hosts/participants/$name" "$WORK/$name/part"; done

start coord coordinator coordinate "$COORDINATOR"
PID_coordinator=$LAST
says coordinator 60 "The federation is up and waits"
echo "the coordinator is up on $NET.1"

echo "-- a stranger who has the CA file"
for path in control/list-nodes control/register-node control/start-run control/list-runs runtime/get-nodes; do
    status=$(printf 'POST /v1/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' $path |
        on eve openssl s_client -quiet -ign_eof -CAfile "$WORK/alice/part/ca.pem" -verify_return_error \
            -connect "$NET.1:9443" 2>/dev/null | head -1 | cut -d' ' -f2)
    [ "$status" = 403 ] || { echo "FAILED: /v1/$path answered '$status'"; exit 1; }
    echo "403: /v1/$path"
done
open=$(on eve "$PYTHON" - "$NET.1" <<'END'
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def listens(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((sys.argv[1], port)) == 0
with ThreadPoolExecutor(64) as pool:
    print(*(port for port, open in zip(range(1, 65536), pool.map(listens, range(1, 65536))) if open))
END
)
[ "$open" = 9443 ] || { echo "FAILED: ports of the coordinator that others reach: $open"; exit 1; }
echo "of 65535 ports of the coordinator others reach 9443 alone"

echo "-- participants that are refused"
cp -r "$WORK/alice/part" "$WORK/alice/wrong"
"$PYTHON" - "$WORK/eve" "$NET.5" <<'END'
import datetime, sys
from pathlib import Path
from launch.certificates import write_certificates
write_certificates(Path(sys.argv[1], "other"))
write_certificates(Path(sys.argv[1], "old"), ("eve",), (sys.argv[2],), datetime.timedelta(minutes=-1))
END
cp "$WORK/eve/other/ca.pem" "$WORK/alice/wrong/ca.pem"
refused "wrong certificate" alice "is not the coordinator that" "$WORK/alice/wrong"
ip netns exec "$TAG-eve" openssl s_server -quiet -accept 9443 -cert "$WORK/eve/old/server.pem" \
    -key "$WORK/eve/old/server.key" >/dev/null 2>&1 </dev/zero &
STARTED+=($!)
sleep 1
cp "$WORK/eve/old/ca.pem" "$WORK/alice/wrong/ca.pem"
sed -i "s/$NET.1:/$NET.5:/" "$WORK/alice/wrong/participant.toml"
refused "expired certificate" alice "has expired" "$WORK/alice/wrong"
tfedrs join "$WORK/carol/part" >/dev/null
refused "unknown node" carol "does not let this node in" "$WORK/carol/part"
ip netns exec "$TAG-alice" "$PYTHON" tests/machines_other_chain.py >/dev/null 2>&1 &
STARTED+=($!)
sleep 1
refused "wrong chain" alice "has id 1, but the contracts were deployed on chain" "$WORK/alice/part" --chain http://127.0.0.1:8545

echo "-- a round over three hosts"
tfedrs admit "$COORDINATOR" "$WORK/carol/part/request.json"
says coordinator 30 "carol is let in as node"
take_part
train "$WORK/coord/hosts" 1

echo "-- the coordinator's machine is lost, and comes back from its backup"
kill -TERM "$PID_coordinator"
wait "$PID_coordinator" || true
tfedrs backup "$COORDINATOR" --out "$WORK/coord/hosts.tar" >/dev/null
mv "$WORK/coord/hosts" "$WORK/lost"  # out of the way, to compare rewards with
tfedrs restore "$WORK/coord/hosts.tar" --into "$WORK/coord/again" >/dev/null
COORDINATOR=$WORK/coord/again/coordinator
mv "$WORK/coord/again/chain" "$WORK/coord/chain"
code=0
timeout 60 ip netns exec "$TAG-coord" "$PYTHON" -m launch.cli coordinate "$COORDINATOR" >"$WORK/refused.said" 2>&1 || code=$?
[ "$(wc -l <"$WORK/refused.said")" = 1 ] && grep -q "chain/ is missing" "$WORK/refused.said" ||
    { echo "FAILED: without its chain the coordinator ends with $code:"; cat "$WORK/refused.said"; exit 1; }
echo "refused: a restore without the chain"; sed 's/^/    /' "$WORK/refused.said"
rm -rf "$WORK/coord/again/chain"
mv "$WORK/coord/chain" "$WORK/coord/again/chain"
start coord coordinator coordinate "$COORDINATOR"
says coordinator 60 "The federation is up and waits"
for name in alice bob carol; do  # their SuperNodes were known to the SuperLink that is lost
    pid=PID_$name
    wait "${!pid}" && { echo "FAILED: $name has not noticed"; exit 1; }
    tail -1 "$WORK/$name.said" | sed 's/^/    /'
done
take_part  # as their services would
train "$WORK/coord/again" 2
"$PYTHON" tests/cumulated.py "$WORK/lost" 1 "$WORK/coord/again" 2 || { echo "FAILED: rewards do not add up"; exit 1; }
echo "run 2 has the same participants, and its rewards add up with those of run 1"

echo "-- revoke and rotate on the live federation"
tfedrs revoke "$COORDINATOR" bob
wait "$PID_bob" && code=0 || code=$?
[ $code = 2 ] && says bob 1 "or it was revoked" || { echo "FAILED: bob ended with $code"; exit 1; }
tail -1 "$WORK/bob.said" | sed 's/^/    /'
refused "revoked node" bob "or it was revoked" "$WORK/bob/part"
tfedrs join "$WORK/alice/part" --new-node-key >/dev/null
tfedrs admit "$COORDINATOR" "$WORK/alice/part/request.json"
wait "$PID_alice" || true
says coordinator 30 "alice is let in as node" 2
start alice again participate "$WORK/alice/part"
says again 60 "takes part in hosts"
echo "alice is back with a new key"
echo "test-machines: all passed"
