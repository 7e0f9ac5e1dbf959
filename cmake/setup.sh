#!/usr/bin/env bash
# Installs the Debian packages that lotar's programs and tests need, and those named as arguments, if any is missing.
# Silent when there is nothing to do. Uses sudo where not root.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkgconf python3      # tools
  libtbb-dev                                 # lotar::cpu
  zlib1g-dev libpng-dev libjpeg-dev          # lotar::io
  nlohmann-json3-dev libxtensor-dev
  libcli11-dev                               # examples
  doctest-dev libbenchmark-dev               # tests, benchmarks
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
((${#missing[@]})) || exit 0

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
