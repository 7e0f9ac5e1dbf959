#!/usr/bin/env python3
"""Times products of float matrices by the BLAS that NumPy has: c = op(a) op(b), as bench/backend/gemm.cpp has them.

    gemm.py [--shape M/K/N/TRANSPOSED_A/TRANSPOSED_B] [--threads 2] [--seconds 0.3]

Prints one line of JSON: which BLAS, and the seconds of each product, after two that are not counted; without a shape the former
alone.
"""
import argparse
import ctypes
import itertools
import json
import os
import re
import time


def loaded_blas():
    """The libraries of a BLAS that this process holds, and what OpenBLAS says about itself."""
    paths = {line.split()[-1] for line in open("/proc/self/maps") if re.search(r"/[^/ ]*(blas|mkl|blis|atlas)[^/]*\.so", line)}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        for prefix, suffix in itertools.product(("", "scipy_"), ("", "64_")):
            told = [getattr(library, f"{prefix}openblas_get_{what}{suffix}", None) for what in ("config", "corename")]
            if all(told):
                for function in told:
                    function.restype = ctypes.c_char_p
                return " ".join(told[0]().decode().split()[:2]) + " for " + told[1]().decode()
    return ", ".join(sorted(os.path.basename(os.path.realpath(path)) for path in paths)) or "NumPy's own loops"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.3, help="to go on for")
    args = parser.parse_args()
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS"):
        os.environ[library + "_NUM_THREADS"] = str(args.threads)  # read when NumPy is loaded
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
