#!/usr/bin/env bash
# How the cost grows with the problem, as pictures: NT-Xent over the batch, a SimCLR step over the network's width and over the
# cores, a linear probe over the classes. Each has its time beside the growth that its arithmetic lets expect, and its share of
# what this machine's arithmetic gives at most. Takes some minutes. See scaling.py.
#
#   bench/scaling.sh [--out DIR] [--filter REGEX] [--repetitions N] [--python python3] [--programs DIR]
#
# --out          the folder of scaling.csv and the SVG files; bench/results/<date>-<processor> unless given
# --filter       only pictures whose names match: nt_xent, step_width, step_cores, linear_probe
# --repetitions  of each measurement, whose median counts; 3 unless given
# --python       one that has matplotlib (Debian: python3-matplotlib)
# --programs     the folder of our benchmarks, built already; else they are built, of the preset release
set -euo pipefail
out='' filter=. repetitions=3 python=python3 programs=''
while (($#)); do
  case $1 in
    --out) out=$(realpath -m -- "${2:?--out wants a folder}"); shift 2 ;;
    --filter) filter=${2:?--filter wants a regular expression}; shift 2 ;;
    --repetitions) repetitions=${2:?--repetitions wants a number}; shift 2 ;;
    --python) python=${2:?--python wants a program}; shift 2 ;;
    --programs) programs=$(realpath -m -- "${2:?--programs wants a folder}"); shift 2 ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "scaling.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
[[ $python != */* ]] || python=$(realpath -s -- "$python")  # a link stays one: it may be that of a virtual environment
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $repetitions =~ ^[1-9][0-9]*$ ]] || { echo "scaling.sh: --repetitions: wanted at least 1, got '$repetitions'" >&2; exit 2; }
if ! "$python" -c 'import matplotlib' 2>/dev/null; then
  echo "scaling.sh: $python cannot import matplotlib; install python3-matplotlib, or name another by --python" >&2
  exit 2
fi
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
processor=${processor:-$(uname -m)}
if [[ -z $out ]]; then
  name=$(tr -cs '[:alnum:]\n' - <<<"$processor")
  out=$PWD/bench/results/$(date -u +%F)-${name%-}
fi
if [[ -z $programs ]]; then
  cmake/setup.sh
  programs=build/release/bench
  cmake --preset release >/dev/null
  cmake --build --preset release --target bench.{backend.ceiling,loss.nt_xent,train.step,eval.linear_probe} >/dev/null
fi
mkdir -p "$out"
exec "$python" bench/scaling.py --out "$out" --filter "$filter" --repetitions "$repetitions" --programs "$programs" \
  --processor "$processor"
