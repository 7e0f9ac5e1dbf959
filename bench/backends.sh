#!/usr/bin/env bash
# Builds and runs every benchmark on every backend, and prints one table: a row a benchmark, a column a backend.
#
#   bench/backends.sh [--filter REGEX] [--min-time SECONDS] [--cuda]
#
# The CPU's programs are those of the preset release. --cuda adds those of the preset cuda, in a column of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
filter=. min_time=0.2 cuda=
while (($#)); do
  case $1 in
    --filter) filter=${2:?--filter wants a regular expression}; shift 2 ;;
    --min-time) min_time=${2:?--min-time wants seconds}; shift 2 ;;
    --cuda) cuda=1; shift ;;
    *) echo "backends.sh: unknown option '$1'; wanted --filter, --min-time or --cuda" >&2; exit 2 ;;
  esac
done
cmake/setup.sh
PATH=$PATH:/usr/local/cuda/bin
cmake --preset release >/dev/null
cmake --build --preset release --target bench >/dev/null
programs=(build/release/bench/bench.*)
if [[ $cuda ]]; then
  cmake --preset cuda >/dev/null
  cmake --build --preset cuda --target cuda >/dev/null
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

python3 - "$results" <<'PY'
import json, pathlib, re, sys
rows, backends = {}, []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    if path.stat().st_size == 0:
        continue
    for b in json.load(open(path))["benchmarks"]:
        if b.get("error_occurred"):
            sys.exit(f"{b['name']}: {b['error_message']}")
        backend = "cuda" if path.stem.endswith(".cuda") else "cpu"
        name = b["name"].removesuffix("/real_time")
        rate = next(((b[k], k) for k in ("FLOP/s", "bytes/s", "views/s", "items_per_second", "bytes_per_second") if k in b), None)
        seconds = b["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[b["time_unit"]]
        text = f"{seconds * 1e3:.3f} ms"
        if rate:
            value, unit = rate
            scale = next(((f, p) for f, p in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= f), (1, ""))
            text += f"  {value / scale[0]:.1f} {scale[1]}{unit.replace('bytes_per_second', 'bytes/s').replace('items_per_second', 'items/s')}"
        rows.setdefault(path.stem.removesuffix(".cuda").removeprefix("bench.") + " " + name, {})[backend] = text
        if backend not in backends:
            backends.append(backend)
print(f"{'benchmark':60}" + "".join(f"{b:>34}" for b in backends))
for name, cells in rows.items():
    print(f"{name:60}" + "".join(f"{cells.get(b, '-'):>34}" for b in backends))
PY
