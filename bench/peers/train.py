#!/usr/bin/env python3
"""SimCLR on CIFAR10-LT as people write it with PyTorch and torchvision, the thesis among them: PIL augmentation in the loading
process, a ResNet-18 that sees one view after the other, NT-Xent that picks the negatives by a boolean mask, LARS. What pretrain's
losses and times are compared with.

    train.py --data DIR --split FILE [--epochs 20] [--width 16] [--batch 256] [--temperature 0.2] [--lr 0.5] [--warmup 2]
             [--optimizer lars|sgd] [--lean] [--crop-scale 0.08] [--workers 0] [--threads 2] [--seed 1] [--steps 0]

--lean: one forward of both views, channels_last, and NT-Xent without masks, as pretrain has it. DIR holds CIFAR-10's
data_batch_*.bin; FILE is a split of splits/. Prints a line of JSON for each epoch: the mean loss and the seconds. --steps ends
the training after so many.
"""
import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from step import masked_nt_xent, network, nt_xent


def augmentation(scale=0.08):
    return transforms.Compose([
        transforms.RandomResizedCrop(32, (scale, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        transforms.RandomGrayscale(0.2),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])


class TwoViews(torch.utils.data.Dataset):
    def __init__(self, folder, split, scale):
        records = [np.fromfile(pathlib.Path(folder) / f"data_batch_{i}.bin", np.uint8).reshape(-1, 3073) for i in range(1, 6)]
        indices = [int(i) for line in open(split) if line[0].isdigit() for i in line.split()]
        pixels = np.concatenate(records)[indices, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.images = [Image.fromarray(image) for image in pixels]
        self.augment = augmentation(scale)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.augment(self.images[i]), self.augment(self.images[i])


class Lars(torch.optim.Optimizer):
    """SGD whose rate is scaled for each parameter by trust |w| / (|g| + decay |w|): You et al. 2017, arXiv:1708.03888."""

    def __init__(self, parameters, lr, momentum=0.9, weight_decay=5e-4, trust=1e-3):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            decay, trust = group["weight_decay"], group["trust"]
            for w in group["params"]:
                size, slope = w.norm().item(), w.grad.norm().item()
                scale = 1 if min(size, slope) < 1e-15 else trust * size / (slope + decay * size)
                velocity = self.state[w].setdefault("velocity", torch.zeros_like(w))
                velocity.mul_(group["momentum"]).add_(w.grad + decay * w, alpha=group["lr"] * scale)
                w.sub_(velocity)


def initialize(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--optimizer", choices=["lars", "sgd"], default="lars")
    parser.add_argument("--lean", action="store_true")
    parser.add_argument("--crop-scale", type=float, default=0.08)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    data = TwoViews(args.data, args.split, args.crop_scale)
    loader = torch.utils.data.DataLoader(data, args.batch, shuffle=True, num_workers=args.workers)
    layout = torch.channels_last if args.lean else torch.contiguous_format
    net = network(args.width).apply(initialize).to(memory_format=layout)
    kind = Lars if args.optimizer == "lars" else torch.optim.SGD
    optimizer = kind(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4)
    warmup, total = args.warmup * len(loader), args.epochs * len(loader)
    step = 0
    for epoch in range(1, args.epochs + 1):
        start, losses = time.perf_counter(), []
        for first, second in loader:
            floor = 1e-6
            cosine = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
            rate = args.lr * step / warmup if step < warmup else floor + (args.lr - floor) * cosine
            for group in optimizer.param_groups:
                group["lr"] = rate
            if args.lean:
                loss = nt_xent(net(torch.cat([first, second]).to(memory_format=layout)), args.temperature)
            else:
                loss = masked_nt_xent(torch.cat([net(first), net(second)]), args.temperature)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append((loss.item(), len(first)))
            step += 1
            if step == args.steps:
                break
        mean = sum(loss * n for loss, n in losses) / sum(n for _, n in losses)
        print(json.dumps({"epoch": epoch, "loss": mean, "seconds": time.perf_counter() - start}), flush=True)
        if step == args.steps:
            break


if __name__ == "__main__":
    main()
