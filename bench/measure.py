"""Runs our benchmarks and reads what Google Benchmark says of them: for backends.sh, compare.py and scaling.py."""
import json
import subprocess
import sys

from report import UNITS, find_ceilings, shares


def measured(program, pattern=".", *options, **process):
    """The results of the program's benchmarks that match. Ends this program if one is wrong."""
    command = [program, f"--benchmark_filter={pattern}", "--benchmark_format=json", *options]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **process).stdout
    results = [r for r in json.loads(text)["benchmarks"] if r["run_type"] == "iteration"] if text.strip() else []
    for result in results:
        if result.get("error_occurred"):
            sys.exit(f"{program}: {result['name']}: {result['error_message']}")
    return results


def names(program):
    text = subprocess.run([program, "--benchmark_list_tests"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line.removesuffix("/real_time") for line in text.split()]


def seconds_of(result):
    """Of one iteration."""
    return result.get("seconds") or result["real_time"] * UNITS[result["time_unit"]]


def ceilings(programs, twin=""):
    """What memory and arithmetic give at most: bytes/s, and FLOP/s of each type."""
    results = measured(f"{programs}/bench.backend.ceiling{twin}", ".", "--benchmark_repetitions=3")
    return find_ceilings([{"program": "bench.backend.ceiling", **result} for result in results])


def share_of(result, top):
    """A result's part of the ceiling of arithmetic, or of memory if it counts no FLOPs; None if it counts no bytes either."""
    return next(iter(shares(result, top)), None)
