#!/usr/bin/env bash
# What a machine with a GPU has to say, in one report: every CUDA twin of the tests, compute-sanitizer on a few of them, every
# benchmark with its share of the measured ceilings, and PyTorch beside ours where python3 has it. Needs no network.
#
#   bench/gpu.sh [--only PHASE,...] [--out DIR] [--build DIR] [--deps DIR] [--time SECONDS] [--min-time SECONDS]
#                [--jobs N] [--commit NAME] [--no-build]
#   bench/gpu.sh --pack DIR
#
# --only      of tests, sanitizers, benches, peers; all of them unless given. Only what they need is built.
# --out       the folder of report.md, benchmarks.json, results.tsv and log.txt; bench/results/<date>-<device> unless given
# --build     the build folder; build/gpu unless given
# --deps      what --pack gathered: for a machine without Debian's packages
# --time      the end, in seconds from now; the build gets at most half of it, a phase half of what is left, and what does not fit
#             is reported as not run
# --min-time  seconds that a benchmark runs at least; 0.2 unless given
# --jobs      programs to build at once, and at most 8 of them to test; all cores unless given
# --no-build  runs what tests/ and bench/ of the build folder hold, such as copies of what another machine built
# --commit    what the report calls the sources, where git does not know
# --pack      on a machine that has them (cmake/setup.sh installs them), gathers headers and libraries of the packages that the
#             build needs besides CUDA; then copy DIR and this repository over
#
# Of several devices the first of CUDA_VISIBLE_DEVICES is used, counted as nvidia-smi counts.
# A phase that fails does not stop the next. Exits with 0; 1 if anything failed or was not run; 77 if nothing but a device was
# missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sanitized=(backend.{block,backend,convolution,convolution_64}.cuda backend.cuda backend.cuda_convolution ops.{reduce,radix_select}.cuda
  loss.nt_xent.cuda nn.batch_norm.cuda augment.views.cuda)
sanitizers=(memcheck racecheck initcheck synccheck)
packages=(doctest-dev libbenchmark-dev libbenchmark1debian nlohmann-json3-dev libxtensor-dev xtl-dev libtbb-dev libtbb12 libtbbmalloc2 libtbbbind-2-5
  zlib1g-dev zlib1g libpng-dev libpng16-16 libjpeg-dev libjpeg62-turbo-dev libjpeg62-turbo)

say() { echo "gpu.sh: $*" >&2; }
absolute() { realpath -m -- "$1"; }

pack() {  # DIR
  mkdir -p "$1"
  dpkg -L "${packages[@]}" | grep -E '^(/usr)?/(include|lib|share/cmake|share/pkgconfig)/' | sort -u | while read -r file; do
    if [[ -f $file || -L $file ]]; then
      install -d "$1/usr$(dirname "${file#/usr}")"
      if [[ $(readlink "$file") == /* ]]; then cp "$(readlink "$file")" "$1/usr${file#/usr}"; else cp -P "$file" "$1/usr${file#/usr}"; fi
    fi
  done
  say "$(du -sh "$1" | cut -f 1) in $1"
}

only=tests,sanitizers,benches,peers out='' build=build/gpu deps='' seconds=1000000 min_time=0.2 jobs=$(nproc) commit='' building=1
while (($#)); do
  case $1 in
    --only) only=${2:?--only wants phases}; shift 2 ;;
    --out) out=$(absolute "${2:?--out wants a folder}"); shift 2 ;;
    --build) build=${2:?--build wants a folder}; shift 2 ;;
    --deps) deps=$(absolute "${2:?--deps wants a folder}"); shift 2 ;;
    --time) seconds=${2:?--time wants seconds}; shift 2 ;;
    --min-time) min_time=${2:?--min-time wants seconds}; shift 2 ;;
    --jobs) jobs=${2:?--jobs wants a number}; shift 2 ;;
    --commit) commit=${2:?--commit wants a name}; shift 2 ;;
    --no-build) building=''; shift ;;
    --pack) pack "$(absolute "${2:?--pack wants a folder}")"; exit 0 ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) say "unknown option '$1'; see --help"; exit 2 ;;
  esac
done
for phase in ${only//,/ }; do
  [[ $phase =~ ^(tests|sanitizers|benches|peers)$ ]] || { say "--only knows tests, sanitizers, benches and peers, not '$phase'"; exit 2; }
done
wanted() { [[ ,$only, == *,$1,* ]]; }

PATH=$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer
build=$(absolute "$build")
export end=$((EPOCHSECONDS + seconds)) work=$build/report
rm -rf "$work"
mkdir -p "$work"/{tests,sanitizers,benches,peers}
: >"$work/results.tsv"

# --- what runs, and how it is noted: a line "phase name status seconds" each, and a log

note() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$work/results.tsv"; printf '  %-12s %6s s  %s %s\n' "$3" "$4" "$1" "$2"; }

run_one() {  # PHASE NAME MOST_SECONDS COMMAND...
  local phase=$1 name=$2 most=$3 status=0 start=${EPOCHREALTIME/[.,]/} log=$work/$1/$2.log
  shift 3
  local rest=$((end - EPOCHSECONDS))
  if [[ ! -x $(command -v "$1") ]]; then
    note "$phase" "$name" 'not built' 0
    return
  elif ((rest < 5)); then
    note "$phase" "$name" 'not run' 0
    return
  fi
  timeout -k 5 "$((rest < most ? rest : most))" "$@" >"$log" 2>&1 </dev/null || status=$?
  local took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
  case $status in
    0) if grep -q 'ERROR OCCURRED' "$log"; then status=failed; else status=passed; fi ;;
    77) status=skipped ;;
    124 | 137) status='timed out' ;;
    *) status=failed ;;
  esac
  note "$phase" "$name" "$status" "$((took / 1000)).$(printf '%03d' $((took % 1000)))"
}
export -f run_one note

job() { printf '%q ' "$@"; echo; }  # a line for run_all
run_all() {  # AT_ONCE, with jobs "PHASE NAME MOST_SECONDS COMMAND..." on stdin
  xargs -P "$1" -d '\n' -I{} bash -c 'eval "run_one $1"' _ {}
}

# --- the machine

declare -A facts
fact() { facts[$1]=$2; printf '%s\t%s\n' "$1" "$2" >>"$work/facts.tsv"; }
export CUDA_DEVICE_ORDER=PCI_BUS_ID
visible=${CUDA_VISIBLE_DEVICES-0}
gpu() {
  local answer
  if answer=$(nvidia-smi --id="${visible%%,*}" --query-gpu="$1" --format=csv,noheader 2>/dev/null); then echo "$answer"; fi
}

fact date "$(date -u '+%F %H:%M UTC')"
fact commit "${commit:-$(git describe --always --dirty 2>/dev/null || echo unknown)}"
device=$(gpu name)
fact device "${device:-none}"
fact driver "$(gpu driver_version)"
fact 'device memory' "$(gpu memory.total)"
fact 'compute capability' "$(gpu compute_cap)"
fact 'highest clocks (SM, memory)' "$(gpu clocks.max.sm,clocks.max.memory)"
fact host "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
fact nvcc "$(nvcc --version 2>/dev/null | sed -n 's/.*release [^,]*, V//p' || true)"
fact 'host compiler' "$(c++ --version 2>/dev/null | head -n 1 || true)"
[[ $device ]] || say "no CUDA device: everything is built and skips itself"
if [[ -z $out ]]; then
  name=$(tr -cs '[:alnum:]\n' - <<<"${device:-no device}")
  out=$PWD/bench/results/$(date -u +%F)-$name
fi

# --- building

# Links what python3's packages bring of cuDNN, cuBLAS and NCCL into build/wheels, where the toolkit lacks it.
find_wheels() {
  local toolkit include
  toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")")")
  for pair in cudnn.h:cudnn cublas_v2.h:cublas nccl.h:nccl; do
    for include in "$toolkit"/{include,targets/*/include} /usr/include /usr/include/*-linux-gnu /usr/local/include; do
      [[ -e $include/${pair%:*} ]] && continue 2
    done
    python3 - "${pair%:*}" "${pair#*:}" "$build/wheels" <<'PY'
import pathlib, sys
header, library, to = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
try:
    import nvidia
    folder = next(f for p in nvidia.__path__ for f in pathlib.Path(p).iterdir() if (f / "include" / header).exists())
except (ImportError, StopIteration):
    sys.exit(f"gpu.sh: {header} is neither in the CUDA toolkit nor in python3's packages")
for kind, files in ("include", folder.glob(f"include/{library}*.h")), ("lib", folder.glob(f"lib/lib{library}*.so*")):
    (to / kind).mkdir(parents=True, exist_ok=True)
    for file in files:
        for name in {file.name, file.name.split(".so")[0] + ".so" if kind == "lib" else file.name}:
            link = to / kind / name
            link.unlink(missing_ok=True)
            link.symlink_to(file)
print(f"gpu.sh: {library} of {folder}", file=sys.stderr)
PY
  done
}

configure() {  # whether there are MPI and NCCL
  local architectures=${facts['compute capability']//./} prefix
  [[ $architectures != 90 ]] || architectures=90a-real  # with the kernels that use Hopper's own instructions
  prefix=${deps:+$deps/usr;}$build/wheels
  export CPLUS_INCLUDE_PATH=${deps:+$deps/usr/include:}$build/wheels/include${CPLUS_INCLUDE_PATH:+:$CPLUS_INCLUDE_PATH}
  cmake --preset cuda -B "$build" -DCMAKE_PREFIX_PATH="$prefix" -DLOTAR_MPI="$1" -DLOTAR_EXAMPLES=OFF -DLOTAR_WERROR=OFF \
    -DCMAKE_CUDA_FLAGS=-lineinfo ${architectures:+-DCMAKE_CUDA_ARCHITECTURES="$architectures"}
}

# Where programs find libraries that this machine's own folders lack.
libraries=$build/wheels/lib:/usr/local/cuda/lib64
for folder in ${deps:+"$deps"/usr/lib "$deps"/usr/lib/*-linux-gnu}; do libraries+=:$folder; done
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

tests=() benches=() built=0
find_built() {
  for file in "$build"/{tests,bench}/*.{cuda,cuda_convolution,nccl}; do
    if [[ -f $file && -x $file ]]; then
      if [[ $file == */bench/* ]]; then benches+=("${file##*/}"); else tests+=("${file##*/}"); fi
    fi
  done
  fact build "${#tests[@]} tests and ${#benches[@]} benchmarks, built before"
  ((${#tests[@]} + ${#benches[@]})) || { say "--no-build: no programs in $build/tests or $build/bench"; exit 2; }
}
build_all() {
  local all=() targets=() start=$EPOCHSECONDS
  echo "configuring $build"
  if ! configure ON >"$work/configure.log" 2>&1; then
    configure OFF >>"$work/configure.log" 2>&1 || return 1
    fact 'left out' 'the tests of several processes: no MPI or NCCL'
  fi
  mapfile -t all < <(ctest --test-dir "$build" -N -L '^cuda$' | sed -n 's/^ *Test *#[0-9]*: //p' | grep -vE '^package\.|\.[0-9]+$')
  for name in "${all[@]}"; do
    if [[ $name == bench.* ]]; then benches+=("$name"); else tests+=("$name"); fi
  done
  if wanted tests; then targets+=("${tests[@]}"); elif wanted sanitizers; then targets+=("${sanitized[@]}"); fi
  if wanted benches || wanted peers; then targets+=("${benches[@]}"); fi
  echo "building ${#targets[@]} programs, $jobs at once"
  local status=0 job rest=$((end - seconds / 2 - EPOCHSECONDS))
  timeout -k 5 "$((rest > 1 ? rest : 1))" cmake --build "$build" -j "$jobs" --target "${targets[@]}" -- -k 0 >"$work/build.log" 2>&1 &
  job=$!
  tail -n +1 -f --pid "$job" "$work/build.log" | grep --line-buffered -E '^\[[0-9]*0/|FAILED' || true
  wait "$job" || status=$?
  fact build "${#targets[@]} programs in $((EPOCHSECONDS - start)) s"
  return "$status"
}

program() { if [[ $1 == bench.* ]]; then echo "$build/bench/$1"; else echo "$build/tests/$1"; fi; }

find_wheels || true
if [[ $building ]]; then build_all; else find_built; fi && built=1
((built)) || { say "the build failed; what was built runs"; note build all failed 0; tail -n 15 "$work"/{configure,build}.log >&2 || true; }
sed -n 's/^CUDNN_INCLUDE_DIR:PATH=//p' "$build/CMakeCache.txt" 2>/dev/null | while read -r include; do
  grep -hoE 'define CUDNN_(MAJOR|MINOR|PATCHLEVEL) [0-9]+' "$include/cudnn_version.h" || true
done | awk '{v = v (v ? "." : "") $3} END {print v}' >"$work/cudnn" || true
fact cuDNN "$(cat "$work/cudnn")"

at_once=$((jobs < 8 ? jobs : 8))
# --- the phases: each gets half of the time that is left, the last all of it

whole=$end
begin() {  # LATER_PHASES...
  end=$whole
  for later in "$@"; do
    if wanted "$later"; then end=$((EPOCHSECONDS + (whole - EPOCHSECONDS) / 2)); fi
  done
}

if wanted tests; then
  begin sanitizers benches peers
  echo "tests: ${#tests[@]} programs, $at_once at once"
  for name in "${tests[@]}"; do job tests "$name" 120 "$(program "$name")"; done | run_all "$at_once"
fi

if wanted sanitizers; then
  begin benches peers
  echo "sanitizers: ${sanitizers[*]} on ${#sanitized[@]} programs, $at_once runs at once"
  if command -v compute-sanitizer >/dev/null; then
    for tool in "${sanitizers[@]}"; do
      for name in "${sanitized[@]}"; do
        job sanitizers "$tool.$name" 180 compute-sanitizer --tool "$tool" --error-exitcode 99 --report-api-errors no \
          --print-limit 20 "$(program "$name")"
      done
    done | run_all "$at_once"
  else
    say "no compute-sanitizer"
    note sanitizers all "$([[ $device ]] && echo 'not run' || echo skipped)" 0
  fi
fi

if wanted benches; then
  begin peers
  echo "benches: ${#benches[@]} programs, one after the other"
  for name in "${benches[@]}"; do
    job benches "$name" 180 "$(program "$name")" "--benchmark_min_time=$min_time" --benchmark_out_format=json \
      "--benchmark_out=$work/benches/$name.json"
  done | run_all 1
fi

if wanted peers; then
  begin
  echo "peers: PyTorch's counterparts"
  if [[ -z $device ]] || ! python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    say "python3 has no PyTorch with a CUDA device"
    note peers compare skipped 0
  else
    run_one peers compare 600 bench/compare.sh --cuda --programs "$build/bench"
    cat "$work/peers/compare.log" 2>/dev/null || true
  fi
fi

# --- the report

mkdir -p "$out"
python3 bench/report.py "$work" "$out" || { say "no report; the logs are in $work"; exit 1; }
# A test that skips itself where there is a device has not done its work.
bad=$(awk -F '\t' -v device="$device" '$3 == "passed" || ($3 == "skipped" && (!device || $1 == "peers")) {next}
  {n[$1 ": " $3]++} END {for (k in n) printf "  %s %d\n", k, n[k]}' "$work/results.tsv")
if [[ $bad ]]; then
  say $'failed, or not run:\n'"$bad"
  exit 1
elif [[ -z $device ]] && ! grep -q $'\tpassed\t' "$work/results.tsv"; then
  say "no CUDA device: nothing ran but the build"
  exit 77
fi
