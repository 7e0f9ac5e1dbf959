#!/usr/bin/env bash
# Builds and runs every benchmark on every backend, and prints one table: a row a benchmark, and of a backend its time, its rates
# and what these reach of the backend's ceilings.
#
#   bench/backends.sh [--filter REGEX] [--min-time SECONDS] [--cuda]
#
# The CPU's programs are those of the preset release. --cuda adds those of the preset cuda, in columns of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
filter=. min_time=0.2 cuda=
while (($#)); do
  case $1 in
    --filter) filter=${2:?--filter wants a regular expression}; shift 2 ;;
    --min-time) min_time=${2:?--min-time wants seconds}; shift 2 ;;
    --cuda) cuda=1; shift ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "backends.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
cmake/setup.sh
PATH=$PATH:/usr/local/cuda/bin
cmake --preset release >/dev/null
cmake --build --preset release --target bench >/dev/null
programs=(build/release/bench/bench.*)
if [[ $cuda ]]; then
  cmake --preset cuda -DLOTAR_MPI=OFF >/dev/null
  mapfile -t targets < <(ctest --test-dir build/cuda -N -R '^bench\..*\.cuda$' | sed -n 's/^ *Test *#[0-9]*: //p')
  cmake --build --preset cuda --target "${targets[@]}" >/dev/null
  programs+=(build/cuda/bench/bench.*.cuda)
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
for program in "${programs[@]}"; do
  [[ -x $program && -f $program ]] || continue
  echo "running ${program##*/}" >&2
  status=0
  "$program" --benchmark_filter="$filter" --benchmark_min_time="$min_time" --benchmark_out_format=json \
    --benchmark_out="$results/${program##*/}.json" >/dev/null 2>"$results/errors" || status=$?
  ((status == 0 || status == 77)) || { cat "$results/errors" >&2; exit "$status"; }
done

PYTHONPATH=bench python3 - "$results" <<'PY'
import pathlib, sys
from measure import ceilings
from report import SHARE, benchmark_row, rate_text, read_benchmarks
top, rows = {}, {}
for b in read_benchmarks(pathlib.Path(sys.argv[1]))["benchmarks"]:
    if b.get("error_occurred"):
        sys.exit(f"{b['name']}: {b['error_message']}")
    backend = "cuda" if b["program"].endswith(".cuda") else "cpu"
    if backend not in top:
        top[backend] = ceilings(*(("build/cuda/bench", ".cuda") if backend == "cuda" else ("build/release/bench",)))
    name, *cells = benchmark_row(b, top[backend])
    program = b["program"].removesuffix(".cuda").removeprefix("bench.")
    rows.setdefault(f"{program} {name}", {})[backend] = cells
for backend, rates in top.items():
    print(f"ceilings of {backend}: " + ", ".join(rate_text(rate, name) for name, rate in rates.items()))
table = [["benchmark"] + [cell for backend in top for cell in (backend, "rate", "share")]]
table += [[name] + [cell for backend in top for cell in cells.get(backend, "---")] for name, cells in rows.items()]
widths = [max(map(len, column)) for column in zip(*table)]
for name, *cells in table:
    print(f"{name:{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths[1:])))
print(SHARE)
PY
