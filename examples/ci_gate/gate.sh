#!/usr/bin/env bash
# Train a version, test it on rows of later, and put it into Production; stop at the first step that does not pass.
#
#     examples/ci_gate/gate.sh MODEL TARGET TRAINING_FILE TEST_FILE [LEAST_SKILL]
#
# Exit codes are those of bondx, so that a pipeline knows what to do:
#   0   the version is in Production
#   1   the data or the version is not good enough: the rows have drifted, a gate of the training failed, or the skill on the
#       test rows is too low
#   2   the call, a file or a setting is wrong: mend it, a second try changes nothing
#   3   the promotion is refused: a gate of the policy, an approval that is missing, or a right that this account lacks
#   4   somebody else changed the same thing first: try again
# Others, such as 70 and 74, are faults of the program or the machine (README, exit codes).
# The workspace is $BONDX_HOME; it must exist (bondx init). JSON of each step is left in $GATE_OUT (default: gate).
set -euo pipefail
[ $# -ge 4 ] || { sed -n 's/^#     \(examples\)/usage: \1/p' "$0" >&2; exit 2; }
model=$1 target=$2 training=$3 testing=$4 least=${5:-0.5} out=${GATE_OUT:-gate}
for program in jq bondx-mlops; do
    command -v "$program" > /dev/null || { echo "gate: $program is not on the PATH: $PATH" >&2; exit 2; }
done
mkdir -p "$out"

step() { # step NAME COMMAND…: run it, keep what it prints as NAME.json, and end with its exit code if that is not 0
    local name=$1 code=0
    shift
    "$@" > "$out/$name.json" || code=$?
    [ $code = 0 ] || { echo "gate: $name ended with exit code $code; $out/$name.json and the lines above say why" >&2; exit $code; }
    echo "gate: $name passed"
}

step drift bondx-mlops drift-check --baseline "$training" --current "$testing" --json
step train bondx-mlops train --model "$model" --data "$training" --target "$target" --json
version=$(jq -r .version "$out/train.json")
step evaluate bondx-mlops evaluate --model "$model" --version "$version" --test-data "$testing" --json
# evaluate judges nothing: what is good enough on new rows is for the pipeline to say. skill is the share of the loss of a
# constant answer that the version saves, and skill_low the lower end of its 95 % interval.
jq -e --argjson least "$least" '.metrics.skill_low >= $least' "$out/evaluate.json" > /dev/null || {
    echo "gate: $model $version is not good enough on $testing: skill_low is $(jq .metrics.skill_low "$out/evaluate.json"), below $least" >&2
    exit 1
}
step staging bondx-mlops promote --model "$model" --version "$version" --stage staging --reason "gate of the pipeline" --json
step production bondx-mlops promote --model "$model" --version "$version" --stage production --yes --reason "gate of the pipeline" --json
echo "gate: $model $version is in Production"
