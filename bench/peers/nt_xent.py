#!/usr/bin/env python3
"""Times the shortest fast NT-Xent in PyTorch, forward and backward: normalise, one product, cross_entropy.

    nt_xent.py [--n 512] [--dim 128] [--steps 5] [--threads 2]

Prints one line of JSON: the seconds of each step, after one that is not counted; and the most memory of the process.
"""
import argparse
import json
import resource
import time

import torch

from step import nt_xent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=512, help="images, of two views each")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    z = torch.randn(2 * args.n, args.dim, requires_grad=True)
    seconds = []
    for _ in range(args.steps + 1):
        z.grad = None
        start = time.perf_counter()
        nt_xent(z).backward()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"torch": torch.__version__, "seconds": seconds[1:], "peak_memory_bytes": peak}))


if __name__ == "__main__":
    main()
