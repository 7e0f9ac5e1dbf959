#!/usr/bin/env bash
# Options of pretrain that a training would pass without: after as many steps no two models are the same. BCL's RandAugment waits
# for the second epoch, of 26 steps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {
  "$PROGRAMS/pretrain" --dataset synthetic --ratio 100 --arch resnet10 --width 4 --projector mlp --epochs 2 --batch-size 48 \
    --warmup-epochs 1 --optimizer sgd --lr 0.1 --max-steps 2 "$@" 2>>"$work/progress"
}
declare -A made  # by the digest of a model's values, which lie behind what says how it was made
for options in "--method simclr" "--method simclr --optimizer lars" "--method simclr --optimizer adam" "--method simclr --weight-decay 0.1" \
    "--method simclr --warmup-epochs 2" "--method simclr --augmentation crop_flip" "--method simclr --crop-scale 0.5" \
    "--method simclr --temperature 0.5" "--method simclr --seed 2" "--method simclr --precision bf16" "--method simclr --focal 2" \
    "--method simclr --dclw 0.5" "--method simclr --projector thesis" "--method lotar" "--method lotar --lotar thesis_code" \
    "--method sdclr" "--method supervised" "--method simclr --max-steps 30" "--method bcl --max-steps 30" \
    "--method bcl --rand-augment 2 --max-steps 30"; do
  # shellcheck disable=SC2086  # options are words
  train --out "$work/run" $options
  digest=$(tail -c 8192 "$work/run/model.safetensors" | sha256sum)
  [[ ! ${made[$digest]-} ]] || { echo "the same model with $options as with ${made[$digest]}"; exit 1; }
  made[$digest]=$options
  rm -r "$work/run"
done
