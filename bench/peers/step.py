#!/usr/bin/env python3
"""Times a SimCLR step of a ResNet-18 in PyTorch: forward of both views, NT-Xent, backward, SGD. The views are given, so the step
is without the augmentation that lotar's own bench.train.step includes, unless --augment makes them from bytes: by tensor
operations of our own (batched.py), which torch.compile fuses, or by Kornia 0.6.12 (pip), whose operations a graph does not take.

    step.py [--batch 128] [--width 64] [--steps 10] [--dtype float32|bf16] [--augment [tensors|kornia]] [--contiguous]
            [--device cpu|cuda] [--threads 2] [--compile] [--graph] [--tf32]

PyTorch at its best on a GPU: --device cuda --dtype bf16 --compile --graph.

Prints one line of JSON: the seconds of each step, after two that are not counted.
"""
import argparse
import json

import torch
import torch.nn.functional as F
from torch import nn

import batched
import device


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
    return F.cross_entropy(similarities, torch.arange(2 * n, device=z.device).roll(n))


def masked_nt_xent(z, temperature=0.2):
    """The same as the thesis has it: a row's positive, then what a mask leaves of it; a cross-entropy whose class is always 0."""
    n = z.shape[0] // 2
    z = F.normalize(z)
    similarities = z @ z.T
    mask = torch.ones(2 * n, 2 * n, dtype=torch.bool).fill_diagonal_(False)
    for i in range(n):
        mask[i, n + i] = mask[n + i, i] = False
    positives = torch.cat([similarities.diagonal(n), similarities.diagonal(-n)]).view(2 * n, 1)
    negatives = similarities[mask].view(2 * n, 2 * n - 2)
    logits = torch.cat([positives, negatives], 1) / temperature
    return F.cross_entropy(logits, torch.zeros(2 * n, dtype=torch.long))


def kornia_views(images):
    """Makes two views of each image, drawn for each, as batched.two_views does."""
    import kornia.augmentation as K
    draws = nn.Sequential(K.RandomResizedCrop((32, 32), scale=(0.08, 1), cropping_mode="resample"), K.RandomHorizontalFlip(),
                          K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8), K.RandomGrayscale(p=0.2),
                          K.Normalize(torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])))
    return lambda: draws(images.float().div(255).repeat(2, 1, 1, 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--dtype", choices=["float32", "bf16"], default="float32", help="bf16: by autocast")
    parser.add_argument("--augment", nargs="?", choices=["tensors", "kornia"], const="tensors", help="make the views in each step")
    parser.add_argument("--contiguous", action="store_true", help="NCHW in memory instead of channels_last")
    device.add_options(parser)
    args = parser.parse_args()
    device.prepare(args)
    layout = torch.contiguous_format if args.contiguous else torch.channels_last
    net = network(args.width).to(args.device, memory_format=layout)
    fused = {"fused": True} if args.device == "cuda" else {}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, **fused)
    images = torch.randint(0, 256, (args.batch, 3, 32, 32), dtype=torch.uint8, device=args.device)
    given = torch.rand(2 * args.batch, 3, 32, 32, device=args.device).to(memory_format=layout)
    two_views = device.compiled(batched.two_views, args)

    def loss_of(views):
        # without a cache: that of a captured step would be read by the next, which has no use for it
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.dtype == "bf16", cache_enabled=not args.graph):
            z = net(views)
        return nt_xent(z)

    loss_of = device.compiled(loss_of, args)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(two_views(images).to(memory_format=layout) if args.augment == "tensors" else given)
        loss.backward()
        optimizer.step()
        return loss

    if args.augment == "kornia":
        make = kornia_views(images)
        seconds, loss = device.time_steps(step, args.steps, args, lambda: given.copy_(make()))
    else:
        seconds, loss = device.time_steps(step, args.steps, args)
    device.check_loss(loss, args.batch, 0)
    print(json.dumps({"torch": torch.__version__, "loss": loss.item(), "seconds": seconds}))


if __name__ == "__main__":
    main()
