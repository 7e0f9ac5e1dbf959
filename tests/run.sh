#!/usr/bin/env bash
# Installs what is missing, configures, builds, and runs the tests.
#
#   tests/run.sh [--preset dev|release|sanitize|tsan|arm64|cuda] [--label REGEX]
#
# --preset  how to build, and which tests that build is for (CMakePresets.json); dev: all of them.
# --label   only tests with this label: unit, lockstep, kernel, emulated, cuda, mpi, header, floors, package, refusal, program,
#           bench.
#
# Ends with a line "N passed, N failed, N skipped"; exits with 0 if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=dev
options=()
while (($#)); do
  case $1 in
    --preset) preset=${2:?--preset wants a name}; shift 2 ;;
    --label) options+=(--label-regex "${2:?--label wants a regular expression}"); shift 2 ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "run.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done

if [[ $preset == arm64 ]]; then
  cmake/setup.sh --arm64 build/arm64-root
else
  cmake/setup.sh libopenmpi-dev openmpi-bin  # lotar::mpi, which the programs do without
fi
jobs=$(nproc)
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "$jobs"

report=$PWD/build/$preset/report.xml
rm -f "$report"
launch=()
if [[ $preset == tsan ]] && setarch -R true 2>/dev/null; then
  launch=(setarch -R)  # gcc 12's thread sanitizer does not start under every kernel's address randomisation
fi
status=0
"${launch[@]}" ctest --preset "$preset" -j "$jobs" --output-junit "$report" "${options[@]}" || status=$?
[[ -f $report ]] || exit "$((status ? status : 1))"

count() { grep -o "$1=\"[0-9]*\"" "$report" | head -n 1 | tr -dc '0-9'; }
tests=$(count tests) failed=$(count failures) skipped=$(($(count skipped) + $(count disabled)))
echo "$((tests - failed - skipped)) passed, $failed failed, $skipped skipped"
exit "$status"
