#!/usr/bin/env bash
# lotar beside PyTorch, torchvision and NumPy's BLAS on this machine: runs ours and theirs in turn, several times, and prints the
# medians of the ratios of neighbours, so that what else the machine does counts little; and how much ours reaches of what the
# machine's arithmetic or memory gives at most. See compare.py.
#
#   bench/compare.sh [--cuda] [--filter REGEX] [--rounds N] [--data DIR] [--python python3] [--programs DIR]
#
# --cuda      on the GPU; theirs with channels_last, torch.compile where PyTorch has it, fused SGD and a CUDA graph of the step
# --filter    only comparisons whose names match: step, step_bf16, nt_xent/512, nt_xent/1024, ..., augmentation, and on the CPU
#             nt_xent_masked/4096, gemm/512/128/1024/0/1, ..., forward/32/64/128/3/2, ..., train (minutes)
# --rounds    3 unless given, 1 with --cuda
# --data      the folder of CIFAR-10's binary files, or its parent: for train, which is left out without
# --python    one that has torch, and torchvision and NumPy without --cuda
# --programs  the folder of our benchmarks, built already, beside that of the examples; else they are built, of the preset release
#             or cuda
set -euo pipefail
filter=. rounds='' data='' python=python3 programs='' preset=release twin=''
while (($#)); do
  case $1 in
    --cuda) preset=cuda twin=.cuda; shift ;;
    --filter) filter=${2:?--filter wants a regular expression}; shift 2 ;;
    --rounds) rounds=${2:?--rounds wants a number}; shift 2 ;;
    --data) data=$(realpath -m -- "${2:?--data wants a folder}"); shift 2 ;;
    --python) python=${2:?--python wants a program}; shift 2 ;;
    --programs) programs=$(realpath -m -- "${2:?--programs wants a folder}"); shift 2 ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "compare.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
[[ $python != */* ]] || python=$(realpath -s -- "$python")  # a link stays one: it may be that of a virtual environment
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ! $rounds || $rounds =~ ^[1-9][0-9]*$ ]] || { echo "compare.sh: --rounds: wanted at least 1, got '$rounds'" >&2; exit 2; }
if [[ $data ]]; then
  [[ -f $data/data_batch_1.bin ]] || data+=/cifar-10-batches-bin
  [[ -f $data/data_batch_1.bin ]] || {
    echo "compare.sh: --data: no data_batch_1.bin in ${data%/*} or $data; wanted what cifar-10-binary.tar.gz holds" >&2
    exit 2
  }
elif [[ $filter == train ]]; then
  echo "compare.sh: train wants --data DIR, with CIFAR-10's binary files (cifar-10-binary.tar.gz)" >&2
  exit 2
fi
needs=$([[ $twin ]] && echo torch || echo 'torch, torchvision')
if ! "$python" -c "import $needs" 2>/dev/null; then
  echo "compare.sh: $python cannot import $needs; install python3-torch and python3-torchvision, or name another by --python" >&2
  exit 2
fi
if [[ $twin ]] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo "compare.sh: $python's PyTorch sees no CUDA device" >&2
  exit 77
fi
if [[ -z $programs ]]; then
  cmake/setup.sh
  PATH=$PATH:/usr/local/cuda/bin
  programs=build/$preset/bench
  targets=(bench.{backend.ceiling,train.step,loss.nt_xent,augment.pipeline}"$twin")
  [[ $twin ]] || targets+=(bench.backend.gemm bench.nn.convolution pretrain)
  cmake --preset "$preset" ${twin:+-DLOTAR_MPI=OFF} >/dev/null
  cmake --build --preset "$preset" --target "${targets[@]}" >/dev/null
fi
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE  # theirs at its best: OpenBLAS sees for itself what the processor is
exec "$python" bench/compare.py --filter "$filter" --rounds "${rounds:-$([[ $twin ]] && echo 1 || echo 3)}" \
  --programs "$programs" --data "$data" --twin "$twin"
