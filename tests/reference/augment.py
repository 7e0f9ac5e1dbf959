#!/usr/bin/env python3
"""Writes what torchvision makes of small images, for tests/augment. Needs torch, torchvision 0.14 and Pillow.

Usage: augment.py > augment.hpp
"""
import textwrap

import numpy as np
import torch
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode


def picture(height, width):
    """The same formula is in tests/augment/apply.hpp."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((37 * y + 59 * x + 83 * c + y * x * (c + 3) % 71 + 5 * x * x % 97) % 256).astype(np.uint8)


def tensor(height, width):
    return torch.from_numpy(picture(height, width)).permute(2, 0, 1).float() / 255


def emit(name, values):
    """One entry: floats in [H, W, C] order for a tensor, grey levels for a PIL image."""
    if isinstance(values, torch.Tensor):
        flat = [f"{v:.7g}" for v in values.permute(1, 2, 0).flatten().tolist()]
        flat = [(v if "." in v or "e" in v else v + ".") + "f" for v in flat]
    else:
        flat = [str(v) for v in np.asarray(values).flatten().tolist()]
    print(f'    {{"{name}",')
    print(textwrap.fill(f'{{{", ".join(flat)}}}}},', 120, initial_indent=" " * 5, subsequent_indent=" " * 6))


print("""#pragma once

// Made by augment.py.
// clang-format off

#include <map>
#include <string>
#include <vector>

namespace expected {

/// Names ending in "pil" are grey levels of PIL images; the others are values of float tensors. All are [H, W, C].
inline const std::map<std::string, std::vector<float>> augment = {""")

modes = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
large, large_pil = tensor(13, 11), Image.fromarray(picture(13, 11))
for mode, interpolation in modes.items():
    for name, box, size in [("enlarge", (2, 1, 9, 7), [12, 10]), ("mixed", (1, 3, 12, 6), [7, 9]),
                            ("shrink", (0, 0, 13, 11), [4, 3])]:
        resized = F.resize(F.crop(large, *box), size, interpolation, antialias=True).clamp(0, 1)
        emit(f"{name} {mode}", resized)
        emit(f"{name} {mode} pil", F.resized_crop(large_pil, *box, size, interpolation))

small, small_pil = tensor(6, 7), Image.fromarray(picture(6, 7))
colors = {
    "brightness 1.3": lambda im: F.adjust_brightness(im, 1.3),
    "brightness 0.6": lambda im: F.adjust_brightness(im, 0.6),
    "contrast 1.35": lambda im: F.adjust_contrast(im, 1.35),
    "contrast 0.65": lambda im: F.adjust_contrast(im, 0.65),
    "saturation 1.4": lambda im: F.adjust_saturation(im, 1.4),
    "saturation 0.6": lambda im: F.adjust_saturation(im, 0.6),
    "hue 0.1": lambda im: F.adjust_hue(im, 0.1),
    "hue -0.07": lambda im: F.adjust_hue(im, -0.07),
    "hue 0.5": lambda im: F.adjust_hue(im, 0.5),
    "hue contrast brightness saturation": lambda im: F.adjust_saturation(
        F.adjust_brightness(F.adjust_contrast(F.adjust_hue(im, 0.05), 1.2), 0.8), 1.3),
    "grayscale": lambda im: F.rgb_to_grayscale(im, num_output_channels=3),
}
for name, f in colors.items():
    emit(name, f(small))
    emit(f"{name} pil", f(small_pil))
emit("blur 3 0.7", F.gaussian_blur(small, 3, 0.7))
emit("blur 5 1.5", F.gaussian_blur(small, 5, 1.5))
emit("blur 11 2", F.gaussian_blur(small, 11, 2.0))
emit("normalize", F.normalize(small, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
print("""};

}  // namespace expected""")
