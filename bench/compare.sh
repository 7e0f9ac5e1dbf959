#!/usr/bin/env bash
# lotar beside PyTorch and torchvision on this machine: runs ours and theirs in turn, several times, and prints the medians of the
# ratios of neighbours, so that what else the machine does counts little.
#
#   bench/compare.sh [--filter REGEX] [--rounds 3] [--python python3]
#
# --filter  only comparisons whose names match: step, nt_xent/512, nt_xent/1024, nt_xent/4096, augmentation
# --python  one that has torch and torchvision
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
filter=. rounds=3 python=python3
while (($#)); do
  case $1 in
    --filter) filter=${2:?--filter wants a regular expression}; shift 2 ;;
    --rounds) rounds=${2:?--rounds wants a number}; shift 2 ;;
    --python) python=${2:?--python wants a program}; shift 2 ;;
    *) echo "compare.sh: unknown option '$1'; wanted --filter, --rounds or --python" >&2; exit 2 ;;
  esac
done
if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
  echo "compare.sh: $python has no torch and torchvision; install python3-torch and python3-torchvision, or name another by --python" >&2
  exit 2
fi
cmake/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target bench.train.step bench.loss.nt_xent bench.augment.pipeline >/dev/null

"$python" - "$filter" "$rounds" "$python" "$(nproc)" <<'PY'
import json, re, statistics, subprocess, sys
pattern, rounds, python, cores = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def ours(program, benchmark):
    """Seconds of one iteration, and the counters."""
    text = subprocess.run([f"build/release/bench/bench.{program}", f"--benchmark_filter=^{benchmark}(/real_time)?$",
                           "--benchmark_format=json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    (result,) = json.loads(text)["benchmarks"]
    if result.get("error_occurred"):
        sys.exit(f"{benchmark}: {result['error_message']}")
    return result["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[result["time_unit"]], result

def theirs(script, *options):
    text = subprocess.run([python, f"bench/peers/{script}.py", *options], check=True, stdout=subprocess.PIPE).stdout
    result = json.loads(text)
    return statistics.median(result["seconds"]), result

def step():
    return ours("train.step", "simclr_step/128/64")[0], theirs("step", "--steps=3", f"--threads={cores}")[0]

def nt_xent(n):
    def run():
        return ours("loss.nt_xent", f"nt_xent/{n}/128")[0], theirs("nt_xent", f"--n={n}", f"--threads={cores}")[0]
    return run

def augmentation():  # seconds of a view on a core
    _, result = ours("augment.pipeline", "thesis")
    seconds, other = theirs("augment")
    return cores / result["items_per_second"], seconds / other["views"]

comparisons = {
    "step": ("SimCLR step of 2 x 128 views, ResNet-18, float32; ours augments too", step),
    **{f"nt_xent/{n}": (f"NT-Xent of {n} images, forward and backward", nt_xent(n)) for n in (512, 1024, 4096)},
    "augmentation": ("a view of SimCLR's augmentation, on a core", augmentation),
}
print(f"{'comparison':14}{'ours':>12}{'theirs':>12}{'ratio':>8}  over {rounds} rounds")
for name, (what, run) in comparisons.items():
    if not re.search(pattern, name):
        continue
    pairs = [run() for _ in range(rounds)]
    mine, other = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(b / a for a, b in pairs)
    show = lambda s: f"{s:.3f} s" if s >= 1 else f"{s * 1e3:.3f} ms" if s >= 1e-3 else f"{s * 1e6:.2f} us"
    print(f"{name:14}{show(mine):>12}{show(other):>12}{ratio:8.2f}  {what}", flush=True)
PY
