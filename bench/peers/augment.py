#!/usr/bin/env python3
"""Times SimCLR's augmentation of 32x32 images by torchvision on PIL images, in one process, as a loading process does it.

    augment.py [--views 2000]

Prints one line of JSON: the seconds of that many views, and their number.
"""
import argparse
import json
import time

import numpy as np
import torch
from PIL import Image

from train import augmentation


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--views", type=int, default=2000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    pixels = np.random.RandomState(1).randint(0, 256, (64, 32, 32, 3), np.uint8)
    images = [Image.fromarray(image) for image in pixels]
    augment = augmentation()
    for image in images:
        augment(image)
    start = time.perf_counter()
    for i in range(args.views):
        augment(images[i % len(images)])
    print(json.dumps({"seconds": [time.perf_counter() - start], "views": args.views}))


if __name__ == "__main__":
    main()
