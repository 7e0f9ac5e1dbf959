#!/usr/bin/env python3
"""Times products of float matrices by the BLAS that NumPy has: c = op(a) op(b), as bench/backend/gemm.cpp has them.

    gemm.py [--shape M/K/N/TRANSPOSED_A/TRANSPOSED_B] [--threads 2] [--seconds 0.3]

Prints one line of JSON: which BLAS, and the seconds of each product, after two that are not counted; without a shape the former
alone.
"""
import argparse
import ctypes
import json
import os
import re
import time


def loaded_blas():
    """The libraries of a BLAS that this process holds, and what OpenBLAS says about itself."""
    paths = {line.split()[-1] for line in open("/proc/self/maps") if re.search(r"/[^/ ]*(blas|mkl|blis|atlas)[^/]*\.so", line)}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        for name in ("openblas_get_config", "openblas_get_config64_", "scipy_openblas_get_config", "scipy_openblas_get_config64_"):
            if hasattr(library, name):
                getattr(library, name).restype = ctypes.c_char_p
                return getattr(library, name)().decode().strip()
    return ", ".join(sorted(os.path.basename(os.path.realpath(path)) for path in paths)) or "NumPy's own loops"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.3, help="to go on for")
    args = parser.parse_args()
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS"):  # read when NumPy is loaded
        os.environ[library + "_NUM_THREADS"] = str(args.threads)
    if "avx512dq" in open("/proc/cpuinfo").read():  # an OpenBLAS older than the processor may take it for a lesser one
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    import numpy as np

    result = {"blas": loaded_blas(), "numpy": np.__version__}
    if args.shape:
        m, k, n, turned_a, turned_b = map(int, args.shape.split("/"))
        draw = np.random.RandomState(1)
        a = draw.randint(-3, 4, (k, m) if turned_a else (m, k)).astype(np.float32)
        b = draw.randint(-3, 4, (n, k) if turned_b else (k, n)).astype(np.float32)
        a, b = a.T if turned_a else a, b.T if turned_b else b
        c, seconds, end = np.empty((m, n), np.float32), [], time.perf_counter() + args.seconds
        while len(seconds) < 5 or time.perf_counter() < end:
            start = time.perf_counter()
            np.matmul(a, b, out=c)
            seconds.append(time.perf_counter() - start)
        if not np.array_equal(c[::7], a[::7].astype(np.int64) @ b.astype(np.int64)):
            raise SystemExit("an element is wrong")
        result["seconds"] = seconds[2:]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
