#!/usr/bin/env python3
"""Times a SimCLR step of a ResNet-18 in PyTorch: forward of both views, NT-Xent, backward, SGD. The views are given, so the step
is without the augmentation that lotar's own bench.train.step includes.

    step.py [--batch 128] [--width 64] [--steps 10] [--threads 2] [--bf16] [--contiguous]

Prints one line of JSON: the seconds of each step, after two that are not counted.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width_in, width_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x), inplace=True)


def network(width, projection=128):
    """ResNet-18 with the stem for small images, and the two-layer projector."""
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    channels = width
    for stage in range(4):
        for i in range(2):
            layers.append(Block(channels, width << stage, 2 if stage > 0 and i == 0 else 1))
            channels = width << stage
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, projection))


def nt_xent(z, temperature=0.2):
    """The shortest fast form: one product, one cross-entropy."""
    n = z.shape[0] // 2
    z = F.normalize(z.float())
    similarities = z @ z.T / temperature
    similarities.fill_diagonal_(float("-inf"))
    return F.cross_entropy(similarities, torch.arange(2 * n).roll(n))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--contiguous", action="store_true", help="NCHW in memory instead of channels_last")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    layout = torch.contiguous_format if args.contiguous else torch.channels_last
    net = network(args.width).to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    views = torch.rand(2 * args.batch, 3, 32, 32).to(memory_format=layout)
    seconds = []
    for _ in range(args.steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            z = net(views)
        loss = nt_xent(z)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"torch": torch.__version__, "loss": loss.item(), "seconds": seconds[2:]}))


if __name__ == "__main__":
    main()
