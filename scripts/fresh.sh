#!/usr/bin/env bash
# What a newcomer does, from nothing: clone, `npm start`, paste the printed lines, Ctrl-C, `npm test`. Each account gets
# an empty folder, an empty npm cache and an environment of PATH and HOME. Run by root it is done as root and as nobody,
# otherwise as the caller. The committed state is cloned. Seconds are printed; only a hang of 10 minutes is a failure.
# The last line is `N passed, N failed`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
limit=600
passed=0
failed=0

# The clone must find the machine's own node and npm, not what this checkout brought.
clean_path=$(printf %s "$PATH" | tr : '\n' | grep -v -e node_modules -e "^$root" | paste -s -d : -)

# Adds the counts of a log whose last line is `N passed, N failed`; a log without one is one failure.
count() {
  if [[ $(tail -n 1 "$1") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
}

fresh() {
  local user=$1 folder
  folder=$(mktemp -d "${TMPDIR:-/tmp}/fresh-${user:-me}.XXXXXX")
  chmod 755 "$folder"
  echo "== ${user:-$(id -un)} in $folder"
  git clone --quiet --no-hardlinks "$root" "$folder/halligan"
  mkdir "$folder/home"
  [ -z "$user" ] || chown -R "$user" "$folder/halligan" "$folder/home"

  # The time limit includes packages, both starts and the prompts.
  timeout --kill-after=30 "$limit" node "$root/scripts/run.cjs" node "$root/scripts/paste.ts" \
    "$folder/halligan" "$folder/home" "$clean_path" "$user" 2>&1 | tee "$folder/paste.log" || true
  count "$folder/paste.log"

  # The second command, once, with the rooms that need no client: .ci/run has run the whole suite just before.
  if [ -z "$user" ]; then
    local begin=$SECONDS
    (cd "$folder/halligan" && timeout --kill-after=30 "$limit" env -i PATH="$clean_path" HOME="$folder/home" \
      npm test -- test/architecture.test.ts test/access test/identity test/ledger test/recording test/demo/lines.test.ts) \
      > "$folder/test.log" 2>&1 || true
    count "$folder/test.log"
    echo "$(tail -n 1 "$folder/test.log") in npm test, $((SECONDS - begin)) s"
    if ! tail -n 1 "$folder/test.log" | grep -q ' 0 failed$'; then tail -n 100 "$folder/test.log"; fi
  fi
  rm -rf "$folder"
}

[ -z "$(git -C "$root" status --porcelain)" ] || echo "note: uncommitted changes are not in the clone"
# First of all this checkout's own Node and packages, which drive the terminals.
node "$root/scripts/run.cjs" prepare
fresh ''
if [ "$(id -u)" = 0 ]; then
  if command -v setpriv > /dev/null; then fresh nobody; else echo "left out: nobody (apt-get install util-linux)"; fi
else
  echo "left out: root and nobody (run scripts/fresh.sh as root)"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
