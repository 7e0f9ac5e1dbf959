#!/usr/bin/env bash
# Options of pretrain that a training would pass without: each makes another model in two steps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {
  "$PROGRAMS/pretrain" --dataset synthetic --ratio 100 --arch resnet10 --width 4 --projector mlp --epochs 2 --batch-size 48 \
    --warmup-epochs 1 --optimizer sgd --lr 0.1 --max-steps 2 "$@" 2>>"$work/progress"
}
values() { tail -c 8192 "$1/model.safetensors"; }  # behind what says how it was made
train --out "$work/plain" --method simclr
for options in "--method simclr --optimizer lars" "--method simclr --optimizer adam" "--method simclr --weight-decay 0.1" \
    "--method simclr --warmup-epochs 2" "--method simclr --augmentation crop_flip" "--method simclr --crop-scale 0.5" \
    "--method simclr --temperature 0.5" "--method simclr --seed 2" "--method simclr --precision bf16" "--method simclr --focal 2" \
    "--method simclr --dclw 0.5" "--method simclr --projector thesis" "--method lotar" "--method lotar --lotar thesis_code" \
    "--method sdclr" "--method supervised" "--method sdclr --rand-augment 2"; do
  # shellcheck disable=SC2086  # options are words
  train --out "$work/other" $options
  ! cmp -s <(values "$work/plain") <(values "$work/other") || { echo "the same model with $options"; exit 1; }
  rm -r "$work/other"
done
train --out "$work/bcl" --method bcl --max-steps 30  # whose memory works from the second epoch on
