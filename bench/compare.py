"""What bench/compare.sh prints, which see: starts each comparison's two programs in turn and takes the medians."""
import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import torch

from measure import ceilings, measured, names, seconds_of, share_of
from report import SHARE, rate_text

WIDTH = 30  # of the column of names
SPLIT = "splits/cifar10_exp100_shuffled_philox_seed1.txt"
parser = argparse.ArgumentParser()
for option in ("filter", "programs", "data", "twin"):
    parser.add_argument("--" + option, default="")
parser.add_argument("--rounds", type=int)
args = parser.parse_args()
cores = len(os.sched_getaffinity(0))
place = [f"--threads={cores}"]
if args.twin:
    place = ["--device=cuda", "--graph", "--steps=30"] + ["--compile"] * hasattr(torch, "compile")


def ours(program, benchmark):
    """Google Benchmark's result; None if our program has no such benchmark."""
    found = measured(f"{args.programs}/bench.{program}{args.twin}", f"^{benchmark}(/real_time)?$")
    return found[0] if found else None


def theirs(script, *options):
    """The median of the seconds that a peer prints, and the rest of it."""
    result = json.loads(subprocess.run([sys.executable, f"bench/peers/{script}.py", *options], check=True,
                                       stdout=subprocess.PIPE).stdout)
    return statistics.median(result["seconds"]) if "seconds" in result else None, result


# A comparison returns our result, with "seconds" if that is not an iteration's time; their seconds; and what is to be said besides.

def step(stored, *options):  # of 512 images on the GPU, which 128 do not fill
    n = 512 if args.twin else 128
    more = [f"--batch={n}"] if args.twin else ["--steps=3"]
    return lambda: (ours("train.step", f"simclr_step{stored}/{n}/64"), theirs("step", *place, *more, *options)[0], "")


def nt_xent(n, *options):
    def run():
        mine, (seconds, other) = ours("loss.nt_xent", f"nt_xent/{n}/128"), theirs("nt_xent", *place, f"--n={n}", *options)
        memory = [f"{r['extra_bytes'] / 2**20:.0f} MiB" for r in (mine or {}, other) if "extra_bytes" in r]
        return mine, seconds, "; extra memory " + " against ".join(memory)
    return run


def augmentation():  # seconds of a view on the GPU, or on a core
    mine = ours("augment.pipeline", "thesis")
    seconds, other = theirs("augment", *([*place, "--batched"] if args.twin else []))
    return {**mine, "seconds": (1 if args.twin else cores) / mine["items_per_second"]}, seconds / other["views"], ""


def gemm(shape):
    return lambda: (ours("backend.gemm", f"gemm/{shape}"), theirs("gemm", *place, f"--shape={shape}")[0], "")


def convolution(name):
    """Name, words and comparison with the product that it would be if it were unfolded, which is not counted for theirs; None
    for those that Cpu does by Winograd's algorithm, of bench.nn.convolution's shapes those of 3x3, stride 1 and more than 3
    channels; for bf16; and for the gradient of a network's input."""
    found = re.fullmatch(r"(\w+)/N:(\d+)/edge:(\d+)/C:(\d+)/K:(\d+)/R:(\d+)/stride:(\d+)", name)
    if not found:
        return None
    what, (n, edge, c, k, kernel, stride) = found[1], map(int, found.groups()[1:])
    pixels, taps = n * (edge // stride) ** 2, kernel * kernel * c
    shape = {"forward": f"{pixels}/{taps}/{k}/0/1", "backward_data": f"{pixels}/{k}/{taps}/0/0",
             "backward_filter": f"{k}/{pixels}/{taps}/1/0"}.get(what)
    if not shape or kernel == 3 and stride == 1 and (c > 3 or what == "backward_data"):
        return None
    words = f"convolution {kernel}x{kernel} by {stride}, {c} to {k} channels, {n} images of {edge}x{edge}; theirs the product alone"
    return (f"{what}/{edge}/{c}/{k}/{kernel}/{stride}", words,
            lambda: (ours("nn.convolution", name), theirs("gemm", *place, f"--shape={shape}")[0], ""))


def train():  # from the start of the program to its end
    def timed(*command):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as out:
        mine = timed(f"{args.programs}/../examples/pretrain", f"--data={args.data}", f"--split={SPLIT}", "--method=simclr",
                     "--projector=mlp", "--max-steps=30", f"--out={out}/run")
    return {"seconds": mine}, timed(sys.executable, "bench/peers/train.py", f"--data={args.data}", f"--split={SPLIT}",
                                    "--width=64", "--epochs=1200", "--warmup=10", "--steps=30", *place), ""


gpu_steps = {
    "step_bf16": ("SimCLR step of 2 x 512 views, ResNet-18, bf16; only ours augments", step("<bf16>_any_order", "--dtype=bf16")),
    "step_bf16_augment": ("the same; both augment", step("<bf16>_any_order", "--dtype=bf16", "--augment")),
    **({"step_bf16_kornia": ("the same; theirs augment by Kornia, before the graph",
                             step("<bf16>_any_order", "--dtype=bf16", "--augment=kornia"))}
       if importlib.util.find_spec("kornia") else {}),
    "step_bf16_deterministic": ("the same; ours the same bits every time", step("<bf16>", "--dtype=bf16", "--augment")),
    "step": ("the same in float32; both augment", step("<float>", "--augment")),
}
cpu_steps = {
    "step": ("SimCLR step of 2 x 128 views, ResNet-18, float32; ours augments too", step("<float>")),
    "step_bf16": ("the same with activations in bf16; theirs by autocast", step("<bf16>", "--dtype=bf16")),
}
comparisons = {
    **(gpu_steps if args.twin else cpu_steps),
    **{f"nt_xent/{n}": (f"NT-Xent of {n} images, forward and backward", nt_xent(n))
       for n in (512, 1024, 4096, *((16384,) if args.twin else ()))},
    "augmentation": ("a view of SimCLR's augmentation, " + ("theirs by tensor operations" if args.twin else "on a core; theirs by PIL"),
                     augmentation),
}
if not args.twin:
    comparisons["nt_xent_masked/4096"] = ("theirs as the thesis has it, with a mask", nt_xent(4096, "--masked", "--steps=2"))
    for name in names(f"{args.programs}/bench.backend.gemm"):
        m, k, n, turned_a, turned_b = name.split("/")[1:]
        turned = "; the left is transposed" * int(turned_a) + "; the right is transposed" * int(turned_b)
        comparisons[name] = (f"[{m}, {k}] [{k}, {n}], floats{turned}", gemm(name.removeprefix("gemm/")))
    for name in names(f"{args.programs}/bench.nn.convolution"):
        if found := convolution(name):
            comparisons[found[0]] = found[1:]
    comparisons["train"] = ("30 steps of CIFAR10-LT, start to end: 2 x 256 views, ResNet-18, LARS; theirs as the thesis has it", train)


def shown(seconds):
    if seconds is None:
        return "-"
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.2f} us"


top = ceilings(args.programs, args.twin)
blas = "" if args.twin else ", NumPy {numpy} with {blas}".format(**theirs("gemm", *place)[1])
device = torch.cuda.get_device_name() if args.twin else f"{cores} cores"
print(f"PyTorch {torch.__version__}{blas}; {device}")
print("ceilings: " + ", ".join(rate_text(rate, name) for name, rate in top.items()))
print(f"{'comparison':{WIDTH}}{'ours':>12}{'theirs':>12}{'ratio':>8}{'share':>9}  over {args.rounds} round{'s' * (args.rounds > 1)}")
failed = False
for name, (what, run) in comparisons.items():
    if not re.search(args.filter, name):
        continue
    if name == "train" and not args.data:
        print(f"{name:{WIDTH}}{'not run':>12}  wants --data DIR, with CIFAR-10's binary files")
        continue
    try:
        rounds = [run() for _ in range(args.rounds)]
    except subprocess.CalledProcessError as e:
        print(f"{name:{WIDTH}}{'failed':>12}  {' '.join(map(str, e.cmd))}", flush=True)
        failed = True
        continue
    failed = failed or not rounds[0][0]  # our programs lack the benchmark
    other, mine, ratio, share = statistics.median(r[1] for r in rounds), None, "-", "-"
    if rounds[0][0]:
        mine = statistics.median(seconds_of(r[0]) for r in rounds)
        ratio = f"{statistics.median(r[1] / seconds_of(r[0]) for r in rounds):.2f}"
        shares = [share_of(r[0], top) for r in rounds]
        share = f"{100 * statistics.median(shares):.0f} %" if None not in shares else "-"
    print(f"{name:{WIDTH}}{shown(mine):>12}{shown(other):>12}{ratio:>8}{share:>9}  {what}{rounds[-1][2]}", flush=True)
print(SHARE)
sys.exit(failed)
