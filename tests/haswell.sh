#!/bin/sh
# Runs a program on an emulated processor that has AVX2 and no AVX-512: haswell.sh PROGRAM. Skipped without an emulator.
command -v qemu-x86_64 >/dev/null || exit 77
exec qemu-x86_64 -cpu Haswell "$1"
