#!/usr/bin/env bash
# The programs on images of one's own: a folder of class folders, long-tailed as it is, is trained on and judged; the same images
# by list files give the same model, to the bit, and so do other threads and another place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=$work/data
python3 -B tests/programs/write_images.py "$data" 12 6 3 2

train() {
  "$PROGRAMS/pretrain" --dataset folder --image-size 24 --profile all --arch resnet10 --width 4 --projector mlp --epochs 2 \
    --batch-size 8 --warmup-epochs 0 --optimizer sgd --lr 0.1 "$@" 2>>"$work/progress"
}
train --data "$data" --out "$work/folders"
grep -q '"image-size": 24' "$work/folders/config.json"
grep -q '^made profile all$' "$work/folders/split.txt"
grep -q '^counts 12 6 3 2$' "$work/folders/split.txt"

"$PROGRAMS/linear_eval" --run "$work/folders" 2>/dev/null | tee "$work/table"
grep -q ', 23 training images$' "$work/table"
grep -q '"name": "class3"' "$work/folders/results.json"

# the same as lists, with the test images under their other name, moved, and read by one thread
mv "$data" "$work/moved"
for part in train test; do
  (cd "$work/moved" && for file in "$part"/class*/*.png; do echo "$file ${file:$((${#part} + 6)):1}"; done >"$part.txt")
done
mv "$work/moved/test.txt" "$work/moved/val.txt"
head -n 1 "$work/moved/train.txt" | grep -qx 'train/class0/000.png 0'
train --data "$work/moved" --out "$work/lists" --threads 1
cmp "$work/folders/model.safetensors" "$work/lists/model.safetensors"
"$PROGRAMS/linear_eval" --run "$work/lists" >"$work/stdout" 2>&1
cmp "$work/folders/results.txt" "$work/lists/results.txt"

# a subset by make_splits, which opens no image
rm "$work/moved/train/class0/011.png" && touch "$work/moved/train/class0/011.png"
"$PROGRAMS/make_splits" --dataset folder --data "$work/moved" --ratio 2 --out "$work/split.txt" | grep -q 'profile exp, ratio 2'
grep -qE '^counts( [12]){4}$' "$work/split.txt"
