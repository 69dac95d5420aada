# Sourced by run.sh: the volumes backed up, removed and restored by the very lines that docs/compose.md gives.

as_documented() {  # a word of the block, the folder of the backup
  local block
  block=$(awk -v word="$1" '/^```/ {if (inside && index(block, word)) printf "%s", block; inside = !inside; block = ""; next}
                            {block = block $0 "\n"}' docs/compose.md)
  [ -n "$block" ] || fail "docs/compose.md has no block with $1"
  BACKUP=$2 bash -e -c "$block" >>"$WORK/volumes.log" 2>&1
}

remove_volumes() {
  compose down --volumes --timeout 20 >>"$WORK/up.log" 2>&1
  [ -z "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] ||
    fail "volumes are left after down --volumes"
}

# What is left out of the backup, what the service `prepare` says then. Nothing of the rest may be touched.
restore_without() {
  local partial=$WORK/partial kept
  rm -rf "$partial"
  cp -r "$WORK/backup" "$partial"
  tar --delete --file "$partial/federation.tar" "$1"
  as_documented --extract "$partial" && fail "a backup without $1 comes up"
  compose logs --no-color --no-log-prefix prepare 2>&1 | sed 's/\x1b\[2K//' | grep -F "tfedrs: $2" >"$WORK/refused.log" ||
    { compose logs prepare; fail "a backup without $1 does not say: $2"; }
  kept=$(compose run --rm -T --no-deps --entrypoint find prepare /srv/tfedrs -name node.key 2>/dev/null | wc -l)
  [ "$kept" -eq "$3" ] || fail "a restore without $1 leaves $kept keys of clients, not $3"
  say "without $1: $(cat "$WORK/refused.log")"
  remove_volumes
}

backup_and_restore() {  # the number of the newest run, which has one round
  local newest=$1 next=$(($1 + 1))
  rm -rf "$WORK/before"
  cp -r "$WORK/record" "$WORK/before"
  as_documented --create "$WORK/backup" || { tail -n 5 "$WORK/volumes.log"; fail "the volumes cannot be backed up"; }
  [ -z "$(find "$WORK/backup" -type f -perm /077)" ] || fail "others can read the backup"
  say "backed up: $(du -h "$WORK"/backup/* | sed "s,$WORK/backup/,," | tr -s '\t\n' ' ')"
  remove_volumes
  restore_without record "The volume record is empty, but a federation is left in clients" 3
  restore_without clients/client-02/node.key "The volume clients lacks client-02/node.key" 2
  as_documented --extract "$WORK/backup" || { tail -n 5 "$WORK/volumes.log"; fail "the backup does not come up"; }
  say "restored: all services are healthy"
  verified "$newest" 1
  train --rounds 1 || { tail -n 5 "$WORK/train.log"; fail "run $next does not end well"; }
  verified "$next" 1
  "$PYTHON" tests/cumulated.py "$WORK/before" "$newest" "$WORK/record" "$next" || fail "rewards do not add up after the restore"
  say "rewards of run $next, after the restore, add up with those of run $newest"
}
