#!/usr/bin/env bash
# The programs from end to end on synthetic images: a training cut in the middle of an epoch ends in the same model, to the bit,
# with any number of threads; the evaluation reads it; the pictures are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {
  "$PROGRAMS/pretrain" --method lotar --dataset synthetic --ratio 4 --arch resnet10 --width 4 --projector mlp_bn --epochs 2 \
    --batch-size 48 --warmup-epochs 1 --optimizer sgd --lr 0.1 "$@" 2>>"$work/progress"
}
train --out "$work/straight"
train --out "$work/cut" --max-steps 3 --threads 1
train --out "$work/cut" --resume --threads 2
cmp "$work/straight/model.safetensors" "$work/cut/model.safetensors"
cmp "$work/straight/checkpoint.safetensors" "$work/cut/checkpoint.safetensors"
without_measurements() { sed -E 's/"(seconds|images_per_second|peak_memory_bytes)":[^,]*,?//g' "$1"; }
diff <(without_measurements "$work/straight/metrics.jsonl") <(without_measurements "$work/cut/metrics.jsonl")
grep -q 'images/s' "$work/progress"

"$PROGRAMS/linear_eval" --run "$work/straight" --untrained 2>/dev/null | tee "$work/table"
grep -q '^untrained' "$work/table"
for file in results.txt results.json loss.svg distance.svg weight.svg correlation.svg norm.svg rank.svg alignment.svg \
    weight_histogram.svg accuracy.svg views.png; do
  [[ -s $work/straight/$file ]] || { echo "no $file"; exit 1; }
done

[[ $("$PROGRAMS/custom_reweighting" | head -n 1) == "weights 0.4120 0.9327 1.6553, loss 0.056557" ]]
