"""What bench/scaling.sh runs, which see: measures, then writes scaling.csv and a picture for each thing that grows."""
import argparse
import collections
import csv
import os
import pathlib
import re
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from measure import ceilings, measured, names, seconds_of, share_of
from report import FLOPS

BLUE, GRAY = "#1f5fa8", "#8a8a8a"
Point = collections.namedtuple("Point", "x seconds flops share")
Picture = collections.namedtuple("Picture", "name title axis measure power expected share")


def cores():
    """The processors this program may use, one of each core before their siblings."""
    def place(cpu):
        path = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings = re.findall(r"\d+", path.read_text()) if path.exists() else [str(cpu)]
        return siblings.index(str(cpu)) if str(cpu) in siblings else 0, cpu
    return sorted(os.sched_getaffinity(0), key=place)


def point(x, program, benchmark, cpus=None):
    """The median of the repetitions, on some processors only if they are given."""
    print(f"  {benchmark}" + (f" on {len(cpus)} cores" if cpus else ""), file=sys.stderr)
    pin = {"preexec_fn": lambda: os.sched_setaffinity(0, cpus)} if cpus else {}
    runs = measured(f"{args.programs}/bench.{program}", f"^{benchmark}(/real_time)?$",
                    f"--benchmark_repetitions={args.repetitions}", **pin)
    middle = statistics.median_low(seconds_of(run) for run in runs)
    run = next(run for run in runs if seconds_of(run) == middle)
    return Point(x, middle, run[FLOPS], share_of(run, top))


def over(program, pattern):
    """A point for each of the program's benchmarks that match; x is the pattern's group."""
    found = [re.fullmatch(pattern, name) for name in names(f"{args.programs}/bench.{program}")]
    return [point(int(match[1]), program, match[0]) for match in found if match]


def over_cores():
    """Here the share is that of so many times the rate of one core."""
    cpus, counts = cores(), [1]
    while counts[-1] < len(cpus):
        counts.append(min(2 * counts[-1], len(cpus)))
    points = [point(n, "train.step", "simclr_step<float>/128/64", cpus[:n]) for n in counts]
    return [p._replace(share=points[0].seconds / (p.x * p.seconds)) for p in points]


def show_seconds(value, _):
    return next((f"{value * f:g} {unit}" for f, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if value * f >= 0.999), f"{value:g} s")


def draw(picture, points, path):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    figure.suptitle(picture.title, fontsize=11)
    x, seconds = [p.x for p in points], [p.seconds for p in points]
    anchor = points[0] if picture.power < 0 else points[-1]
    left.plot(x, [anchor.seconds * (v / anchor.x) ** picture.power for v in x], "--", color=GRAY, label=picture.expected)
    left.plot(x, seconds, "o-", color=BLUE, label="measured")
    left.set(yscale="log", ylabel="time (log)")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter(FuncFormatter(show_seconds))
    left.yaxis.set_minor_locator(NullLocator())
    left.legend(frameon=False)
    shares = [100 * p.share for p in points]
    right.axhline(100, color=GRAY, linestyle="--")
    right.plot(x, shares, "o-", color=BLUE)
    for v, share in zip(x, shares):
        right.annotate(f"{share:.0f} %", (v, share), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    right.set(ylim=(0, 1.18 * max(100, *shares)), ylabel=picture.share)
    for axis in (left, right):
        axis.set_xscale("log")
        axis.margins(x=0.08)
        axis.set_xlabel(picture.axis)
        axis.set_xticks(x, [f"{v:g}" for v in x])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.grid(True, which="major", color="#e4e4e4")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


SHARE = "share of the ceiling of arithmetic (%)"
PLAIN = SHARE + "\nFLOPs as of plain convolutions:\nWinograd's need fewer"
HALF = SHARE + "\nFLOPs as of the whole matrix:\nthe gradient needs half of it"
PICTURES = [
    Picture("nt_xent", "NT-Xent, loss and gradient, D = 128, float", "images N in the batch (log)",
            lambda: over("loss.nt_xent", r"nt_xent/(\d+)/128"), 2, "as N²", HALF),
    Picture("step_width", "SimCLR step of 2 × 128 views, ResNet-18, float", "width: channels of the first stage (log)",
            lambda: over("train.step", r"simclr_step<float>/128/(\d+)"), 2, "as width²", PLAIN),
    Picture("step_cores", "SimCLR step of 2 × 128 views, ResNet-18 of width 64, float", "cores (log)", over_cores,
            -1, "as 1 / cores", "speed-up as a share of the cores (%)"),
    Picture("linear_probe", "Linear probe, an epoch of 16384 samples, 512 features, float", "classes C (log)",
            lambda: over("eval.linear_probe", r"linear_probe/16384/(\d+)"), 1, "as C", SHARE),
]

parser = argparse.ArgumentParser()
for option in ("out", "filter", "programs", "processor"):
    parser.add_argument("--" + option)
parser.add_argument("--repetitions", type=int)
args = parser.parse_args()
plt.rcParams.update({"svg.hashsalt": "lotar", "font.size": 9})
out, top = pathlib.Path(args.out), ceilings(args.programs)
with open(out / "scaling.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["picture", "x", "seconds", "flops_per_second", "share"])
    for picture in PICTURES:
        if not re.search(args.filter, picture.name):
            continue
        print(picture.name, file=sys.stderr)
        points = picture.measure()
        title = f"{picture.title}\n{args.processor}, {len(cores())} cores; at most {top[FLOPS] / 1e9:.0f} GFLOP/s"
        draw(picture._replace(title=title), points, out / f"{picture.name}.svg")
        table.writerows([picture.name, p.x, f"{p.seconds:.6g}", f"{p.flops:.6g}", f"{p.share:.4f}"] for p in points)
print(f"wrote {out}/scaling.csv and its pictures")
