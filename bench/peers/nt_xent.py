#!/usr/bin/env python3
"""Times the shortest fast NT-Xent in PyTorch, forward and backward: normalise, one product, cross_entropy; or the thesis'.

    nt_xent.py [--n 512] [--dim 128] [--masked] [--steps 5] [--device cpu|cuda] [--threads 2] [--compile] [--graph] [--tf32]

Prints one line of JSON: the seconds of each step, after two that are not counted; the most memory of the process, or of the
GPU's; and how much of it came with the steps.
"""
import argparse
import json
import resource

import torch

import device
from step import masked_nt_xent, nt_xent


def memory_now(args):
    if args.device == "cuda":
        return torch.cuda.memory_reserved()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()


def most_memory(args):
    return torch.cuda.max_memory_reserved() if args.device == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=512, help="images, of two views each")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--masked", action="store_true", help="pick the negatives by a mask, on the CPU")
    parser.add_argument("--steps", type=int, default=5)
    device.add_options(parser)
    args = parser.parse_args()
    device.prepare(args)
    form = masked_nt_xent if args.masked else nt_xent
    form(torch.randn(16, args.dim, device=args.device, requires_grad=True)).backward()  # what PyTorch takes once
    z = torch.randn(2 * args.n, args.dim, device=args.device, requires_grad=True)
    loss = device.compiled(form, args)
    before = memory_now(args)

    def step():
        z.grad = None
        result = loss(z)
        result.backward()
        return result.detach()

    seconds, last = device.time_steps(step, args.steps, args)
    device.check_loss(last, args.n, 0.5)
    peak = most_memory(args)
    print(json.dumps({"torch": torch.__version__, "seconds": seconds, "peak_memory_bytes": peak, "extra_bytes": peak - before}))


if __name__ == "__main__":
    main()
