#!/usr/bin/env python3
"""Times SimCLR's augmentation of 32x32 images: by torchvision on PIL images, in one process, as a loading process does it; or
with --batched by tensor operations on a batch.

    augment.py [--views 2000]
    augment.py --batched [--views 1024] [--steps 20] [--device cpu|cuda] [--threads 2] [--compile] [--graph]

Prints one line of JSON: the seconds of that many views (of each step, if batched), and their number.
"""
import argparse
import json
import time

import numpy as np
import torch

import batched
import device


def by_torchvision(pixels, views):
    from PIL import Image

    from train import augmentation

    torch.set_num_threads(1)
    images = [Image.fromarray(image) for image in pixels]
    augment = augmentation()
    for image in images:
        augment(image)
    start = time.perf_counter()
    for i in range(views):
        augment(images[i % len(images)])
    return [time.perf_counter() - start]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--views", type=int)
    parser.add_argument("--batched", action="store_true")
    parser.add_argument("--steps", type=int, default=20)
    device.add_options(parser)
    args = parser.parse_args()
    device.prepare(args)
    views = args.views or (1024 if args.batched else 2000)
    pixels = np.random.RandomState(1).randint(0, 256, (views // 2 if args.batched else 64, 32, 32, 3), np.uint8)
    if args.batched:
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(args.device)
        augment = device.compiled(batched.two_views, args)
        with torch.no_grad():
            seconds, _ = device.time_steps(lambda: augment(images), args.steps, args)
    else:
        seconds = by_torchvision(pixels, views)
    print(json.dumps({"seconds": seconds, "views": views}))


if __name__ == "__main__":
    main()
