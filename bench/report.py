#!/usr/bin/env python3
"""Writes what bench/gpu.sh ran into one folder: report.md for people, benchmarks.json and results.tsv for programs, log.txt.

    report.py WORK OUT

WORK holds results.tsv (phase, name, status, seconds), facts.tsv, and a log, and of a benchmark a JSON file, for each program.
"""
import collections
import json
import pathlib
import re
import shutil
import sys

LAST_LINES = 25  # of what failed, in the report
MOST_LINES = 3000  # of a log, in log.txt
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
BENCHMARK, BYTES, FLOPS = "bench.backend.ceiling", "bytes_per_second", "FLOP/s"
SHARE = """share: of the ceiling of arithmetic in float or bf16, by the FLOPs of plain convolutions and of whole matrices; of that of memory
where bytes are counted. It may pass 100 %: Winograd's convolutions and the gradient of NT-Xent need fewer FLOPs, and what lies in
caches or is read more than written goes faster than a copy."""


def read_table(path):
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


def tail(path, lines):
    text = path.read_text(errors="replace").splitlines() if path.exists() else []
    return ([f"... {len(text) - lines} lines before"] if len(text) > lines else []) + text[-lines:]


def read_benchmarks(folder):
    """Google Benchmark's output of all programs as one, each benchmark with the name of its program."""
    merged = {"context": {}, "benchmarks": []}
    for path in sorted(folder.glob("*.json")):
        try:
            part = json.loads(path.read_text())
        except json.JSONDecodeError:  # it was cut
            continue
        merged["context"] = part["context"]
        for benchmark in part["benchmarks"]:
            merged["benchmarks"].append({"program": path.stem, **benchmark})
    return merged


def find_ceilings(benchmarks):
    """What memory and arithmetic gave at most: bytes/s, and FLOP/s of each type."""
    ceilings = collections.defaultdict(float)
    for b in benchmarks:
        if b["program"].removesuffix(".cuda") == BENCHMARK and not b.get("error_occurred"):
            key = BYTES if BYTES in b else ("bf16 " if "bf16" in b["name"] else "") + FLOPS
            ceilings[key] = max(ceilings[key], b[BYTES if BYTES in b else FLOPS])
    return ceilings


def shown(value, unit):
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def rate_text(rate, name):
    """Of a ceiling."""
    return shown(rate, "B/s copied") if name == BYTES else shown(rate, FLOPS) + " in " + ("bf16" if "bf16" in name else "float")


def shares(b, ceilings):
    """What parts of the ceilings a benchmark's rates are: of the FLOPs of its type, of bytes."""
    names = {FLOPS: ("bf16 " if "bf16" in b.get("name", "") else "") + FLOPS, BYTES: BYTES}
    return [b[key] / ceilings[name] for key, name in names.items() if key in b and ceilings.get(name)]


def benchmark_row(b, ceilings):
    """Name, time, rates, and their shares of the ceilings."""
    name = b["name"].removesuffix("/real_time")
    if b.get("error_occurred"):
        return name, "**" + b["error_message"] + "**", "", ""
    seconds = b["real_time"] * UNITS[b["time_unit"]]
    units = {FLOPS: FLOPS, BYTES: "B/s", "views/s": "views/s", "items_per_second": "items/s"}
    rates = [shown(b[key], unit) for key, unit in units.items() if key in b]
    return name, f"{seconds * 1e3:.4g} ms", ", ".join(rates), ", ".join(f"{100 * s:.1f} %" for s in shares(b, ceilings))


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
    yield ""


def sanitizer_rows(results, logs):
    """A row for each program, with what each tool summed up."""
    cells = {}
    for _, name, status, _ in results:
        tool, _, program = name.partition(".")
        summary = re.findall(r"SUMMARY: (.*)", "\n".join(tail(logs / f"{name}.log", 20)))
        cells.setdefault(program or name, {})[tool] = "; ".join([*([] if status == "passed" else [f"**{status}**"]), *summary])
    return cells


def report(work, results, facts, benchmarks):
    phases = collections.defaultdict(list)
    for row in results:
        phases[row[0]].append(row)
    ceilings = find_ceilings(benchmarks)
    yield f"# lotar on {facts.get('device', 'no device')}, {facts.get('date', '')}\n"
    yield from table(["", ""], [(k, v) for k, v in facts.items() if v])
    if facts.get("device") == "none":
        yield "**There was no CUDA device: programs were built and skipped themselves.**\n"
    statuses = ["passed", "failed", "timed out", "skipped", "not built", "not run"]
    yield from table(["phase", *statuses, "seconds"], [
        (phase, *(sum(r[2] == status for r in rows) for status in statuses), f"{sum(float(r[3]) for r in rows):.0f}")
        for phase, rows in phases.items()])

    bad = [r for r in results if r[2] not in ("passed", "skipped")]
    if bad:
        yield "## What failed\n"
    for phase in phases:
        late = [name for _, name, status, _ in phases[phase] if status == "not run"]
        if late:
            yield f"{phase} not run for want of time: {', '.join(late)}\n"
    for phase, name, status, _ in bad:
        if status == "not run":
            continue
        yield f"{phase} {name}: {status}\n"
        lines = tail(work / phase / f"{name}.log", LAST_LINES)
        if phase == "build":
            lines = [line for line in tail(work / "build.log", MOST_LINES) if re.search(r"FAILED|error", line)][:LAST_LINES]
            lines = lines or tail(work / "configure.log", LAST_LINES)
        if lines:
            yield from ("```", *lines, "```", "")

    if phases["tests"]:
        yield "## Tests\n"
        yield from table(["program", "result", "seconds"], sorted(r[1:] for r in phases["tests"]))
    if phases["sanitizers"]:
        yield "## compute-sanitizer\n"
        cells = sanitizer_rows(phases["sanitizers"], work / "sanitizers")
        tools = sorted({tool for row in cells.values() for tool in row})
        yield from table(["program", *tools], [(p, *(row.get(t, "") for t in tools)) for p, row in sorted(cells.items())])
    if benchmarks:
        yield "## Benchmarks\n"
        yield "Shares are of the ceilings that bench/backend/ceiling.cpp measured in this run: " + (
            ", ".join(rate_text(rate, name) for name, rate in ceilings.items()) or "none") + ".\n"
    for program in dict.fromkeys(b["program"] for b in benchmarks):
        yield f"### {program}\n"
        rows = [benchmark_row(b, ceilings) for b in benchmarks if b["program"] == program]
        yield from table(["benchmark", "time", "rate", "share of the ceiling"], rows)
    log = work / "peers" / "compare.log"
    if log.exists():
        yield from ("## Beside PyTorch\n", "```", *tail(log, MOST_LINES), "```", "")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    work, out = map(pathlib.Path, sys.argv[1:])
    results = sorted(read_table(work / "results.tsv"), key=lambda r: ["build", "tests", "sanitizers", "benches", "peers"].index(r[0]))
    facts = {row[0]: row[1] for row in read_table(work / "facts.tsv")}
    merged = read_benchmarks(work / "benches")
    (out / "report.md").write_text("\n".join(report(work, results, facts, merged["benchmarks"])))
    (out / "benchmarks.json").write_text(json.dumps({"facts": facts, **merged}, indent=1) + "\n")
    shutil.copy(work / "results.tsv", out / "results.tsv")
    with open(out / "log.txt", "w") as log:
        for path in sorted(work.rglob("*.log")):
            log.write(f"===== {path.relative_to(work)}\n" + "\n".join(tail(path, MOST_LINES)) + "\n")
    print(f"wrote {out}/report.md")


if __name__ == "__main__":
    main()
