#!/usr/bin/env python3
"""Writes what Pillow makes of small images, for tests/augment/rand_augment.cpp. Needs numpy and Pillow 9.4.

Usage: rand_augment.py > rand_augment.hpp
"""
import random
import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps


KINDS = ["shear_x", "shear_y", "translate_x", "translate_y", "rotate", "auto_contrast", "invert", "equalize", "solarize",
         "posterize", "contrast", "color", "brightness", "sharpness", "cutout"]
RANGES = {"shear_x": (0, .6), "shear_y": (0, .6), "translate_x": (0, .66), "translate_y": (0, .66), "rotate": (0, 60),
          "solarize": (0, 110), "posterize": (4, 8), "contrast": (.1, 1.9), "color": (.1, 1.9), "brightness": (.1, 1.9),
          "sharpness": (.1, 1.9), "cutout": (0, .4)}
SIGNED = KINDS[:5]
ENHANCE = {"contrast": ImageEnhance.Contrast, "color": ImageEnhance.Color, "brightness": ImageEnhance.Brightness,
           "sharpness": ImageEnhance.Sharpness}


def picture(height, width):
    """The same formula is in tests/augment/apply.hpp."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((37 * y + 59 * x + 83 * c + y * x * (c + 3) % 71 + 5 * x * x % 97) % 256).astype(np.uint8)


def cutout(image, side, x, y):
    if side <= 0:
        return image
    width, height = image.size
    left, top = int(max(0, x - side / 2)), int(max(0, y - side / 2))
    image = image.copy()
    box = (left, top, min(width, left + side), min(height, top + side))
    ImageDraw.Draw(image).rectangle(box, (125, 123, 114))
    return image


def step(image, kind, v, x, y):
    width, height = image.size
    affine = {"shear_x": (1, v, 0, 0, 1, 0), "shear_y": (1, 0, 0, v, 1, 0), "translate_x": (1, 0, v * width, 0, 1, 0),
              "translate_y": (1, 0, 0, 0, 1, v * height)}
    if kind in affine:
        return image.transform(image.size, Image.Transform.AFFINE, affine[kind])
    if kind in ENHANCE:
        return ENHANCE[kind](image).enhance(v)
    return {"rotate": lambda: image.rotate(v), "auto_contrast": lambda: ImageOps.autocontrast(image),
            "invert": lambda: ImageOps.invert(image), "equalize": lambda: ImageOps.equalize(image),
            "solarize": lambda: ImageOps.solarize(image, v), "posterize": lambda: ImageOps.posterize(image, int(v)),
            "cutout": lambda: cutout(image, v * width, x, y)}[kind]()


def result(size, steps):
    image = Image.fromarray(picture(*size))
    for s in steps:
        image = step(image, *s)
    return np.asarray(image).flatten()


def fnv1a(values):
    h = 0xCBF29CE484222325
    for v in values.tolist():
        h = (h ^ v) * 0x100000001B3 % 2**64
    return h


def value(kind, magnitude, sign=1):
    low, high = RANGES.get(kind, (0, 1))
    return float(np.float32(sign * (magnitude / 30 * (high - low) + low)))


def number(v):
    return str(np.float32(v)) + "f"


def emit(steps, small):
    listed = ", ".join(f"{{{', '.join([k] + [number(n) for n in (numbers if k == 'cutout' else numbers[:1])])}}}"
                       for k, *numbers in steps)
    hashes = f"0x{fnv1a(result((32, 32), steps)):016x}, 0x{fnv1a(result((13, 21), steps)):016x}"
    bytes_ = ", ".join(map(str, result((6, 7), steps))) if small else ""
    print(textwrap.fill(f"{{{{{listed}}}, {hashes}, {{{bytes_}}}}},", 118, initial_indent=" " * 4,
                        subsequent_indent=" " * 5, break_long_words=False))


print(f"""#pragma once

// Made by rand_augment.py.
// clang-format off

#include <cstdint>
#include <vector>

namespace expected {{

/// In the order of RandAugment::Kind.
enum PillowKind {{
{textwrap.fill(", ".join(KINDS), 118, initial_indent="  ", subsequent_indent="  ")}
}};

/// (x, y) is the centre of a cutout.
struct PillowStep {{
  PillowKind kind;
  float value = 0, x = 0, y = 0;
}};

/// What steps make of the picture: the 64-bit FNV-1a hashes of [32, 32, 3] and [13, 21, 3] bytes; and, for some, all of
/// [6, 7, 3].
struct PillowCase {{
  std::vector<PillowStep> steps;
  std::uint64_t square, oblong;
  std::vector<std::uint8_t> small;
}};

inline const std::vector<PillowCase> rand_augment = {{""")

draw = random.Random(1)
centre = lambda: (float(np.float32(draw.uniform(0, 21))), float(np.float32(draw.uniform(0, 13))))
for kind in KINDS:
    magnitudes = [20, 0, 2, 7.5, 10, 15, 26, 30] if kind in RANGES else [20]
    for m in magnitudes:
        for sign in [1, -1] if kind in SIGNED and m > 0 else [1]:
            x, y = (2.5, 3.25) if m == 20 else centre() if kind == "cutout" else (0, 0)
            emit([(kind, value(kind, m, sign), float(x), float(y))], m == 20 and sign == 1)
# Just below a whole number of pixels of the square and half a pixel more, where 65536ths would round up
for kind in ["translate_x", "translate_y"]:
    emit([(kind, (4.5 - 2**-18) / 32, 0., 0.)], False)
    emit([(kind, (-4.5 - 2**-18) / 32, 0., 0.)], False)
# Stretching by many factors, where products of doubles round; and values few enough that equalising overflows
for k in range(20):
    emit([("contrast", value("contrast", draw.uniform(1, 14)), 0., 0.), ("auto_contrast", 0., 0., 0.)], False)
    emit([("posterize", float(draw.randint(1, 5)), 0., 0.), ("equalize", 0., 0., 0.)], False)
for k in range(60):
    emit([(kind, value(kind, draw.uniform(0, 30), draw.choice([1, -1]) if kind in SIGNED else 1), *centre())
          for kind in draw.choices(KINDS, k=draw.randint(2, 4))], False)
print("""};

}  // namespace expected""")
