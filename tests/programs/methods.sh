#!/usr/bin/env bash
# Methods, optimizers, projectors and precisions of pretrain on synthetic images: a training that is cut in the second epoch of 26
# steps ends in the same checkpoint, to the bit, and linear_eval reads it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {
  "$PROGRAMS/pretrain" --dataset synthetic --ratio 100 --arch resnet10 --width 4 --projector mlp_bn --epochs 2 \
    --batch-size 48 --warmup-epochs 1 --optimizer sgd --lr 0.1 "$@" 2>>"$work/progress"
}
for method in "bcl --augmentation bcl" "sdclr --rand-augment 2 --dclw 0.5 --optimizer adam --lr 0.001" "supervised" \
    "lotar --lotar thesis_code --focal 2 --temperature-high 1 --optimizer lars --projector thesis --precision bf16"; do
  name=$work/${method%% *}
  # shellcheck disable=SC2086  # options are words
  train --out "$name" --method $method
  # shellcheck disable=SC2086
  train --out "${name}_cut" --method $method --max-steps 30
  # shellcheck disable=SC2086
  train --out "${name}_cut" --method $method --resume
  cmp "$name/checkpoint.safetensors" "${name}_cut/checkpoint.safetensors"
  "$PROGRAMS/linear_eval" --run "$name" --protocol standardized --few-shot 10 >"$work/table" 2>/dev/null
  grep -q "^${method%% *} " "$work/table"
done
grep -q '"protocol": "classifier"' "$work/supervised/results.json"  # its own, no probe
[[ -s $work/supervised/loss.svg && ! -e $work/supervised/distance.svg ]]  # one view has no distance
