#!/usr/bin/env bash
# lotar beside PyTorch and torchvision on this machine: runs ours and theirs in turn, several times, and prints the medians of the
# ratios of neighbours, so that what else the machine does counts little.
#
#   bench/compare.sh [--cuda] [--filter REGEX] [--rounds N] [--python python3] [--programs DIR]
#
# --cuda      on the GPU; theirs with channels_last, torch.compile where PyTorch has it, fused SGD and a CUDA graph of the step
# --filter    only comparisons whose names match: step, step_bf16 (--cuda), nt_xent/512, nt_xent/1024, ..., augmentation
# --rounds    3 unless given, 1 with --cuda
# --python    one that has torch, and torchvision without --cuda
# --programs  the folder of our benchmarks, built already; else they are built, of the preset release or cuda
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
filter=. rounds='' python=python3 programs='' preset=release twin=''
while (($#)); do
  case $1 in
    --cuda) preset=cuda twin=.cuda; shift ;;
    --filter) filter=${2:?--filter wants a regular expression}; shift 2 ;;
    --rounds) rounds=${2:?--rounds wants a number}; shift 2 ;;
    --python) python=${2:?--python wants a program}; shift 2 ;;
    --programs) programs=${2:?--programs wants a folder}; shift 2 ;;
    *) echo "compare.sh: unknown option '$1'; wanted --cuda, --filter, --rounds, --python or --programs" >&2; exit 2 ;;
  esac
done
needs=$([[ $twin ]] && echo torch || echo 'torch, torchvision')
if ! "$python" -c "import $needs" 2>/dev/null; then
  echo "compare.sh: $python cannot import $needs; install python3-torch and python3-torchvision, or name another by --python" >&2
  exit 2
fi
if [[ $twin ]] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo "compare.sh: $python's PyTorch sees no CUDA device" >&2
  exit 77
fi
if [[ -z $programs ]]; then
  cmake/setup.sh
  PATH=$PATH:/usr/local/cuda/bin
  programs=build/$preset/bench
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" --target bench.{train.step,loss.nt_xent,augment.pipeline}"$twin" >/dev/null
fi

"$python" - "$filter" "${rounds:-$([[ $twin ]] && echo 1 || echo 3)}" "$python" "$(nproc)" "$programs" "$twin" <<'PY'
import json, re, statistics, subprocess, sys
pattern, rounds, python, cores, programs, twin = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), *sys.argv[5:]
place = [f"--threads={cores}"]
if twin:
    import torch
    place = ["--device=cuda", "--graph", "--steps=30"] + ["--compile"] * hasattr(torch, "compile")

def ours(program, benchmark):
    """Seconds of one iteration, and the counters; None if our program has no such benchmark."""
    text = subprocess.run([f"{programs}/bench.{program}{twin}", f"--benchmark_filter=^{benchmark}(/real_time)?$",
                           "--benchmark_format=json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    if not text.strip():
        return None, None
    (result,) = json.loads(text)["benchmarks"]
    if result.get("error_occurred"):
        sys.exit(f"{benchmark}: {result['error_message']}")
    return result["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[result["time_unit"]], result

def theirs(script, *options):
    result = json.loads(subprocess.run([python, f"bench/peers/{script}.py", *options], check=True, stdout=subprocess.PIPE).stdout)
    return statistics.median(result["seconds"]), result

def step():
    options = [*place, "--augment"] if twin else [*place, "--steps=3"]
    return ours("train.step", "simclr_step(<float>)?/128/64")[0], theirs("step", *options)[0]

def step_bf16():
    return ours("train.step", "simclr_step<bf16>/128/64")[0], theirs("step", *place, "--augment", "--dtype=bf16")[0]

def nt_xent(n):
    def run():
        return ours("loss.nt_xent", f"nt_xent/{n}/128")[0], theirs("nt_xent", *place, f"--n={n}")[0]
    return run

def augmentation():  # seconds of a view on the GPU, or on a core
    _, result = ours("augment.pipeline", "thesis")
    seconds, other = theirs("augment", *([*place, "--batched"] if twin else []))
    return (1 if twin else cores) / result["items_per_second"], seconds / other["views"]

comparisons = {
    "step": ("SimCLR step of 2 x 128 views, ResNet-18, float32; " + ("both augment" if twin else "ours augments too"), step),
    **({"step_bf16": ("the same with activations in bf16; theirs by autocast", step_bf16)} if twin else {}),
    **{f"nt_xent/{n}": (f"NT-Xent of {n} images, forward and backward", nt_xent(n))
       for n in (512, 1024, 4096, *((16384,) if twin else ()))},
    "augmentation": ("a view of SimCLR's augmentation, " + ("theirs by tensor operations" if twin else "on a core"), augmentation),
}

def show(seconds):
    if seconds is None:
        return "-"
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.2f} us"

print(f"{'comparison':14}{'ours':>12}{'theirs':>12}{'ratio':>8}  over {rounds} round{'s' * (rounds > 1)}")
failed = False
for name, (what, run) in comparisons.items():
    if not re.search(pattern, name):
        continue
    try:
        pairs = [run() for _ in range(rounds)]
    except subprocess.CalledProcessError as e:
        print(f"{name:14}{'failed':>12}  {' '.join(map(str, e.cmd))}", flush=True)
        failed = True
        continue
    other = statistics.median(p[1] for p in pairs)
    if pairs[0][0] is None:
        print(f"{name:14}{'-':>12}{show(other):>12}{'-':>8}  {what}", flush=True)
        continue
    mine, ratio = statistics.median(p[0] for p in pairs), statistics.median(b / a for a, b in pairs)
    print(f"{name:14}{show(mine):>12}{show(other):>12}{ratio:8.2f}  {what}", flush=True)
sys.exit(failed)
PY
