#!/usr/bin/env bash
# Without a CUDA device: exit code 2, one line on stderr that says what is missing, and no folder. Skipped where there is one.
set -uo pipefail
compgen -G '/dev/nvidia[0-9]*' >/dev/null || [[ -e /dev/dxg ]] && exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$PROGRAMS/pretrain.cuda" --dataset synthetic --out "$work/run" >"$work/stdout" 2>"$work/stderr"
status=$?
wanted='^pretrain: Cuda: cudaError(InsufficientDriver: .*; no driver is installed, this program was built with CUDA|NoDevice: )'
if ((status != 2)) || (($(wc -l <"$work/stderr") != 1)) || ! grep -qE "$wanted" "$work/stderr" || [[ -e $work/run ]]; then
  printf 'exit code %d, wanted 2; wanted one line: %s\ngot: %s\n' "$status" "$wanted" "$(cat "$work/stderr")"
  exit 1
fi
