#!/usr/bin/env bash
# Installs the Debian packages that lotar's programs and tests need, and those named as arguments, if any is missing.
# Silent when there is nothing to do. Uses sudo where not root.
#
#   cmake/setup.sh [--arm64 ROOT] [PACKAGE...]
#
# --arm64  also a compiler and an emulator for arm64, and the libraries for it, unpacked in the folder ROOT unless that exists.
set -euo pipefail

libraries=(
  libtbb-dev                                 # lotar::cpu
  zlib1g-dev libpng-dev libjpeg-dev          # lotar::io
  nlohmann-json3-dev libxtensor-dev
  libcli11-dev                               # examples
  doctest-dev                                # tests
)
root=''
if [[ ${1-} == --arm64 ]]; then
  root=${2:?--arm64 wants a folder}
  shift 2
  set -- g++-aarch64-linux-gnu qemu-user mmdebstrap "$@"
fi
packages=(
  g++ cmake ninja-build pkgconf python3      # tools
  "${libraries[@]}"
  libbenchmark-dev                           # benchmarks
  "$@"
)

if ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: this is not Debian; the build needs the counterparts of: ${packages[*]}" >&2
  exit 0  # they may well be there: CMake will tell
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed* ]] || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "setup.sh: missing packages; as root, run: apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [[ -n $root && ! -d $root ]]; then  # not installed: the packages of this machine stay as they are
  echo "unpacking libraries for arm64 in $root"
  release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  mkdir -p "$(dirname "$root")"
  rm -rf "$root.part"
  mmdebstrap --quiet --mode=chrootless --variant=extract --architectures=arm64 --include="${libraries[*]}" "$release" "$root.part"
  mv "$root.part" "$root"
fi
