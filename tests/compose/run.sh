#!/usr/bin/env bash
# `make test-compose`: docker-compose.yml with real containers, from an empty machine to a verified run and back, and
# participants of a provisioned federation by the compose.yml in their folders.
#
# Uses the engine that answers, else brings one up (engine.sh). Leaves nothing: containers, volumes, networks, the image
# and an engine of its own go in the trap. TFEDRS_BASE_IMAGES may name a script that makes the base images where they
# cannot be pulled; its argument is a folder to work in.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/compose/engine.sh
. tests/compose/faults.sh
. tests/compose/volumes.sh
. tests/compose/participants.sh
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tfedrs-compose.XXXXXX")
PYTHON=${PYTHON:-.venv/bin/python}
export COMPOSE_ENV_FILES=/dev/null COMPOSE_PROJECT_NAME=tfedrs-test TFEDRS_IMAGE=tfedrs:test CLIENTS=3 ROUNDS=3 CHAIN_PORT=18545 SUPERLINK_PORT=18000
STARTED="" IMAGE_BUILT=""

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
fail() { say "FAILED: $*"; exit 1; }
compose() { docker compose "$@"; }
train() { compose run --rm -T train "$@" >>"$WORK/train.log" 2>&1; }

clean_up() {
  local code=$?
  trap '' INT TERM EXIT
  if [ "$code" -ne 0 ] && [ -n "$IMAGE_BUILT" ]; then
    tail -n 20 "$WORK/train.log" 2>/dev/null || true
    compose ps --all || true
    compose logs --no-color --tail 30 || true
  fi
  end_participants
  if [ -n "$STARTED" ]; then
    compose --profile train --profile claim down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 || true
    docker image rm --force "$TFEDRS_IMAGE" >/dev/null 2>&1 || true
  fi
  take_down_engine
  rm -rf "$WORK"
  [ -z "$STARTED" ] || say "cleaned up"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if ! bring_up_engine "$WORK"; then
  echo "docker compose is not tested: $ENGINE_MISSING."
  exit 0
fi
STARTED=yes

need_base_images() {
  local image
  for image in "${PYTHON_IMAGE:-python:3.11-slim-bookworm}" "${NODE_IMAGE:-node:20-bookworm-slim}"; do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    if [ -n "${TFEDRS_BASE_IMAGES:-}" ]; then
      command -v debootstrap >/dev/null || apt-get install -y debootstrap >"$WORK/debootstrap-apt.log" 2>&1
      bash "$TFEDRS_BASE_IMAGES" "$WORK/base" >"$WORK/base.log" 2>&1 || { tail "$WORK/base.log"; return 1; }
      export TORCH_INDEX=""
      return 0
    fi
    docker pull --quiet "$image" >/dev/null
  done
}

# Run number, expected rounds. From outside: a copy of the public record, the published port, no container.
verified() {
  rm -rf "$WORK/record"
  compose cp coordinator:/srv/tfedrs/record "$WORK/record" >/dev/null 2>&1
  "$PYTHON" -m launch.cli verify "$WORK/record/runs/$1" --chain "http://127.0.0.1:$CHAIN_PORT" >"$WORK/verify.log" 2>&1 ||
    { cat "$WORK/verify.log"; fail "run $1 does not verify"; }
  grep -q "^Verified $2 rounds: .* $2 rounds agree with the ledger" "$WORK/verify.log" ||
    { cat "$WORK/verify.log"; fail "run $1 has other rounds than $2"; }
  say "run $1: $(head -n 1 "$WORK/verify.log")"
}

say "engine $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
need_base_images || fail "the base images cannot be had"
say "base images are here"
IMAGE_BUILT=yes
compose build prepare >"$WORK/build.log" 2>&1 || { tail -n 30 "$WORK/build.log"; fail "the image does not build"; }
say "image built"
compose up --detach --wait >"$WORK/up.log" 2>&1 || { tail -n 20 "$WORK/up.log"; fail "the services do not come up"; }
say "all services are healthy"

check_hardening
train || { tail -n 5 "$WORK/train.log"; fail "the first run does not complete"; }
verified 1 3
check_claimed_folders
check_logs
fault_clients
fault_services
fault_other_settings_are_refused
down_and_up
backup_and_restore 4
check_claim
participants_take_part
say "all checks passed"
