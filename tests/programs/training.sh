#!/usr/bin/env bash
# The programs from end to end on synthetic images: a training cut in the middle of an epoch ends in the same model, to the bit,
# with any number of threads; the evaluation reads it; the pictures are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {
  "$PROGRAMS/pretrain" --dataset synthetic --ratio 4 --arch resnet10 --width 4 --projector mlp_bn --epochs 2 \
    --batch-size 48 --warmup-epochs 1 --optimizer sgd --lr 0.1 "$@" 2>>"$work/progress"
}
train --out "$work/straight"
train --out "$work/cut" --max-steps 3 --threads 1
train --out "$work/cut" --resume --threads 2
cmp "$work/straight/model.safetensors" "$work/cut/model.safetensors"
cmp "$work/straight/checkpoint.safetensors" "$work/cut/checkpoint.safetensors"
without_times() { sed -E 's/"(seconds|images_per_second|peak_memory_bytes)":[^,]*,?//g' "$1"; }
diff <(without_times "$work/straight/metrics.jsonl") <(without_times "$work/cut/metrics.jsonl")
grep -q 'images/s' "$work/progress"

for method in "bcl" "sdclr --rand-augment 2 --dclw 0.5" "supervised" "lotar --focal 2 --temperature-high 1"; do
  name=$work/${method%% *}
  # shellcheck disable=SC2086  # options are words
  train --out "$name" --method $method
  # shellcheck disable=SC2086
  train --out "${name}_cut" --method $method --max-steps 3
  # shellcheck disable=SC2086
  train --out "${name}_cut" --method $method --resume
  cmp "$name/checkpoint.safetensors" "${name}_cut/checkpoint.safetensors"
  "$PROGRAMS/linear_eval" --run "$name" >"$work/table" 2>/dev/null
  grep -q "^${method%% *} " "$work/table"
done

"$PROGRAMS/linear_eval" --run "$work/straight" --untrained 2>/dev/null | tee "$work/table"
grep -q '^untrained' "$work/table"
for file in results.txt results.json loss.svg distance.svg weight.svg correlation.svg norm.svg rank.svg alignment.svg \
    weight_histogram.svg accuracy.svg views.png; do
  [[ -s $work/straight/$file ]] || { echo "no $file"; exit 1; }
done

[[ $("$PROGRAMS/custom_reweighting" | head -n 1) == "weights 0.7636 0.3202 1.9162, loss 0.069428" ]]
