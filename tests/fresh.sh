#!/usr/bin/env bash
# Runs the two commands of README.md on a bare Debian 12, made in a temporary folder and removed at the end; the first must leave a
# network that its training made better. Wants root, the package debootstrap and about 3 GB. Not part of the other tests: it takes the network and tens of minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ((EUID != 0)); then
  echo "fresh.sh: making a bare system takes root; run: sudo tests/fresh.sh" >&2
  exit 2
fi
if ! command -v debootstrap >/dev/null; then
  echo "fresh.sh: debootstrap is missing; run: apt-get install debootstrap" >&2
  exit 2
fi
if [[ -n $(git status --porcelain) ]]; then
  echo "fresh.sh: note: it is the last commit that is tried, without the changes in this folder" >&2
fi

# The mirror and proxy of this machine.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
  awk '$2 == "bookworm" && !found++ { print $1 }')
if [[ -z $mirror ]]; then
  echo "fresh.sh: apt has no source for bookworm (Debian 12); add one, then run: apt-get update" >&2
  exit 2
fi

root=$(mktemp -d)
clean_up() {
  umount "$root/proc" 2>/dev/null || true
  umount "$root/dev" 2>/dev/null || true
  mountpoint -q "$root/proc" || mountpoint -q "$root/dev" || rm -rf --one-file-system "$root"
}
trap clean_up EXIT

debootstrap --variant=minbase bookworm "$root" "$mirror"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
apt-config dump Acquire | grep -E '^Acquire::(http|https)::Proxy ' >"$root/etc/apt/apt.conf.d/90proxy" || true
git clone --quiet "$PWD" "$root/lotar"

run() {  # COMMAND in the bare system
  echo "== $1"
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} "/lotar/$1" </dev/null
}

run examples/quickstart.sh | {
  while IFS= read -r line; do
    [[ $line != '== training' ]] || SECONDS=0
    echo "$line"
  done
  echo "seconds after the build: $SECONDS"
}
chroot "$root" /usr/bin/python3 - /lotar/runs/quickstart/results.json <<'PY'
import json, sys
results = json.load(open(sys.argv[1]))
gain = results["all"] - results["untrained"]["all"]
print(f"accuracy gained by the training: {gain:.4f}")
if not gain >= 0.02:
    sys.exit("fresh.sh: wanted a gain of at least 0.02")
PY
run tests/run.sh
