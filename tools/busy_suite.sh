#!/usr/bin/env bash
# Run the tests N times on a busy machine: four loops compute, and one loop syncs a file.
#
#     tools/busy_suite.sh 5                      every test, five times
#     tools/busy_suite.sh 3 tests/core/state     some tests, three times
set -uo pipefail
cd "$(dirname "$0")/.."

runs=${1:-5}
shift || true
python=${PYTHON:-.venv/bin/python}
folder=$(mktemp -d "${BUSY_FOLDER:-.}/busy.XXXXXX")
loops=()
suite=

compute() { while kill -0 "$1" 2>/dev/null; do for ((i = 0; i < 100000; i++)); do :; done; done; }
sync_file() { while kill -0 "$1" 2>/dev/null; do dd if=/dev/zero of="$folder/ballast" bs=64k count=16 conv=fsync status=none; done; }
clean_up() {
    kill ${loops[@]+"${loops[@]}"} $suite 2>/dev/null
    wait 2>/dev/null
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Each loop ends automatically if this script is killed.
for _ in 1 2 3 4; do
    compute $$ &
    loops+=($!)
done
sync_file $$ &
loops+=($!)

failed=0
for ((run = 1; run <= runs; run++)); do
    began=$SECONDS
    log="$folder/run-$run.log"
    # Run in the background, so that the script reacts to a signal immediately.
    "$python" -m pytest -q -n "${JOBS:-2}" --dist loadfile --no-loadscope-reorder -p no:cacheprovider "$@" >"$log" 2>&1 &
    suite=$!
    if wait $suite; then
        outcome=passed
    else
        outcome=FAILED
        failed=$((failed + 1))
        cat "$log"
    fi
    suite=
    printf 'run %d of %d: %s in %d s: %s\n' "$run" "$runs" "$outcome" $((SECONDS - began)) "$(tail -n 1 "$log")"
done
echo "$((runs - failed)) of $runs runs passed"
exit $((failed > 0))
