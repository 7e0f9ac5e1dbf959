#!/usr/bin/env bash
# The main job on real data: SimCLR and LoTaR on CIFAR10-LT (split 1, ratio 100) with a ResNet-18 of width 16, judged beside the
# network untrained; then LoTaR by LARS. Prints one table. Unfinished runs go on where they stopped.
#
#   bench/main_job.sh DATA [FOLDER]    DATA: the folder of CIFAR-10's binary files; FOLDER: runs/main_job unless given
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  -*) echo "main_job.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
data=$(realpath -- "${1:?main_job.sh: wanted the folder of CIFAR-10}")
folder=${2:+$(realpath -m -- "$2")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${folder:-runs/main_job}
programs=build/release/examples

cmake/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target pretrain linear_eval bench.augment.pipeline >/dev/null

run() {  # NAME OPTIONS...
  local name=$1 out=$folder/$1
  shift
  local resume=()
  [[ -f $out/config.json ]] && resume=(--resume)
  "$programs/pretrain" --data "$data" --dataset cifar10 --split splits/cifar10_exp100_shuffled_philox_seed1.txt \
    --arch resnet18 --width 16 --batch-size 256 --temperature 0.2 --projector mlp --weight-decay 5e-4 \
    --warmup-epochs 2 --epochs 20 --lr 0.5 --checkpoint-every 1 --out "$out" "$@" "${resume[@]}"
  "$programs/linear_eval" --run "$out" --untrained
}
run simclr --method simclr --optimizer sgd
run lotar --method lotar --optimizer sgd
run lotar_lars --method lotar --optimizer lars

build/release/bench/bench.augment.pipeline --benchmark_filter='^thesis' --benchmark_format=json >"$folder/augmentation.json"

python3 - "$folder" <<'PY'
import json, sys
folder = sys.argv[1]
print(f"{'':14}{'Many':>8}{'Medium':>8}{'Few':>8}{'All':>8}{'kNN':>8}{'s/epoch':>9}{'views/s':>9}{'peak MiB':>10}  loss after epochs 1, 5, 10, 19, 20")
for name in ("untrained", "simclr", "lotar", "lotar_lars"):
    run = f"{folder}/{'simclr' if name == 'untrained' else name}"
    results = json.load(open(f"{run}/results.json"))
    epochs = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
    r = results["untrained"] if name == "untrained" else results
    knn = r["knn"] if name == "untrained" else r["knn"]["all"]
    cells = [r["groups"]["many"], r["groups"]["medium"], r["groups"]["few"], r["all"], knn]
    line = f"{name:14}" + "".join(f"{100 * c:8.2f}" for c in cells)
    if name != "untrained":
        seconds = sorted(e["seconds"] for e in epochs)[len(epochs) // 2]
        rate = 2 * sorted(e["images_per_second"] for e in epochs)[len(epochs) // 2]
        peak = max(e["peak_memory_bytes"] for e in epochs) / 2**20
        loss = "  ".join(f"{epochs[i]['loss']:.3f}" for i in (0, 4, 9, 18, 19) if i < len(epochs))
        line += f"{seconds:9.1f}{rate:9.0f}{peak:10.0f}  {loss}"
    print(line)
augmentation = json.load(open(f"{folder}/augmentation.json"))["benchmarks"][0]["items_per_second"]
print(f"augmentation alone: {augmentation:.0f} views/s")
PY
