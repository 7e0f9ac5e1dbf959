#!/usr/bin/env bash
# pretrain in several processes on synthetic images: the same training as in one, one set of files, resumed to the bit; a process
# that fails or is killed ends the others, and the last checkpoint stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

options=(--dataset synthetic --ratio 100 --arch resnet10 --width 4 --projector mlp --batch-size 48 --warmup-epochs 1 --optimizer sgd
         --lr 0.01 --threads 1)
ranks() { mpirun -n "$1" "$PROGRAMS/pretrain.mpi" "${options[@]}" "${@:2}" 2>"$work/stderr"; }
fail() {
  echo "$*"
  tail -n 20 "$work/stderr"
  exit 1
}

"$PROGRAMS/pretrain" "${options[@]}" --epochs 2 --out "$work/alone" 2>/dev/null
ranks 2 --epochs 2 --out "$work/two" || fail "two processes failed"
ranks 2 --epochs 2 --out "$work/cut" --max-steps 30 || fail "the cut run failed"
ranks 2 --epochs 2 --out "$work/cut" --resume || fail "the resumed run failed"
cmp "$work/two/checkpoint.safetensors" "$work/cut/checkpoint.safetensors"
python3 - "$work/alone/metrics.jsonl" "$work/two/metrics.jsonl" <<'PY'
import json, sys
alone, two = ([json.loads(line)["loss"] for line in open(path)] for path in sys.argv[1:])
assert len(alone) == len(two) == 2 and all(abs(a - b) < 0.02 * a for a, b in zip(alone, two)), (alone, two)
PY
"$PROGRAMS/linear_eval" --run "$work/two" --protocol standardized --few-shot 10 >/dev/null 2>&1

# all end when one refuses
before=$(cd "$work/two" && sha256sum ./*)
status=0
ranks 4 --epochs 2 --out "$work/two" || status=$?
((status == 2)) || fail "not refused (exit code $status)"
grep -q 'there is a run already' "$work/stderr" || fail "refused without a word"
[[ $before == "$(cd "$work/two" && sha256sum ./*)" ]] || fail "the refusal changed the run"

# and when one is killed
ranks 2 --epochs 400 --checkpoint-every 1 --out "$work/killed" & launcher=$!
for ((i = 0; i < 600; ++i)); do
  [[ -s $work/killed/metrics.jsonl ]] && break
  sleep 0.1
done
pkill -KILL -n -f -- "--out $work/killed" || fail "there was no process to kill"
began=$SECONDS status=0
wait "$launcher" || status=$?
((status != 0)) || fail "a killed process was not noticed"
((SECONDS - began < 30)) || fail "the others ended only after $((SECONDS - began)) s"
grep -qi 'killed' "$work/stderr" || fail "it is not said that a process was killed"
"$PROGRAMS/linear_eval" --run "$work/killed" --protocol standardized --few-shot 10 >/dev/null 2>&1 || fail "its last model is damaged"
