#!/usr/bin/env bash
# From a fresh Debian machine to a trained and judged encoder, in a few minutes on two cores: installs what is missing, builds,
# trains LoTaR on a long-tailed Fashion-MNIST, and compares the network with itself before the training.
#
#   examples/quickstart.sh [FOLDER]    FOLDER of the run: runs/quickstart unless given; an unfinished run there goes on
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  -*) echo "quickstart.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
run=${1:+$(realpath -m -- "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=${run:-runs/quickstart}

cmake/setup.sh dataset-fashion-mnist
echo "== building (the first time takes a few minutes)"
cmake --preset release >/dev/null
cmake --build --preset release --target pretrain linear_eval
programs=build/release/examples

echo "== training"
resume=()
[[ -f $run/config.json ]] && resume=(--resume)
"$programs/pretrain" --method lotar --dataset fashion_mnist --data /usr/share/datasets --ratio 100 \
  --arch resnet10 --width 16 --projector mlp --optimizer sgd --lr 0.5 --warmup-epochs 1 --epochs 8 --crop-scale 0.2 \
  --checkpoint-every 1 --out "$run" "${resume[@]}"

echo "== evaluation"
"$programs/linear_eval" --run "$run" --protocol standardized --few-shot 1000 --untrained
