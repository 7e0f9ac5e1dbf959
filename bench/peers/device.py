"""Where a peer computes, and how its steps are timed: shared by the others."""
import math
import sys
import time

import torch


def add_options(parser):
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    parser.add_argument("--graph", action="store_true", help="replay the step as a CUDA graph")
    parser.add_argument("--tf32", action="store_true", help="let the GPU round float32 factors to 10 bits; lotar does not")


def prepare(args):
    """Refuses what this PyTorch or machine cannot do, and sets the rest."""
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("--device cuda: PyTorch sees no CUDA device")
    if args.compile and not hasattr(torch, "compile"):
        sys.exit(f"--compile: PyTorch {torch.__version__} has no torch.compile; 2.0 or newer has")
    if args.graph and args.device != "cuda":
        sys.exit("--graph: only with --device cuda")
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = args.tf32
    torch.backends.cuda.matmul.allow_tf32 = args.tf32


def compiled(function, args):
    return torch.compile(function) if args.compile else function


def recorded(step, args):
    """The step, or the replay of a CUDA graph of it; what it returns is rewritten in place by each replay."""
    if not args.graph:
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()

    def replay():
        graph.replay()
        return result

    return replay


def check_loss(loss, n, least):
    """Ends the program unless an NT-Xent of n images is between `least` and 1.5 times that of unrelated ones."""
    loss, start = loss.detach().item(), math.log(2 * n - 1)
    if not least * start < loss < 1.5 * start:
        sys.exit(f"a loss of {loss}, wanted {least * start:.2f} to {1.5 * start:.2f}")


def time_steps(step, steps, args, before=lambda: None):
    """The seconds of each step, after two that are not counted, and what the last returned. `before` is part of a step, but
    not of what is recorded."""
    step = recorded(step, args)
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        before()
        result = step()
        if args.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[2:], result
