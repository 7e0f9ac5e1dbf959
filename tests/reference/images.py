#!/usr/bin/env python3
"""Prints images.hpp: small JPEG and PNG files of every kind that PIL writes, the pixels that PIL's convert("RGB") reads of them,
and images that PIL resized and cropped."""
import io
import textwrap

from PIL import Image

HEIGHT, WIDTH = 9, 13


def formula(height, width, channels):
    """The pixels that both sides compute: a gradient with a texture."""
    values = bytes((7 * x * (c + 1) + 5 * y * (3 - c) + (x * y * 31 + c * 57) % 64) % 256
                   for y in range(height) for x in range(width) for c in range(channels))
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    return Image.frombytes(mode, (width, height), values)


def smooth(mode):
    """What JPEG keeps well."""
    values = bytes(v for y in range(HEIGHT) for x in range(WIDTH) for v in (20 * x, 255 - 15 * x - 8 * y, 28 * y))
    return Image.frombytes("RGB", (WIDTH, HEIGHT), values).convert(mode)


def inks():
    values = bytes(v for y in range(HEIGHT) for x in range(WIDTH)
                   for v in (20 * x, 255 - 15 * x - 8 * y, 28 * y, 90 + 6 * x + 9 * y))
    return Image.frombytes("CMYK", (WIDTH, HEIGHT), values)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def emit(name, data):
    print(f"inline const std::string {name} = from_hex(")
    lines = textwrap.wrap(data.hex(), 108)
    print("\n".join(f'    "{line}"' for line in lines) + ");")


def emit_file(name, data, what):
    print(f"/// {what}")
    emit(name, data)
    emit(f"{name}_pixels", Image.open(io.BytesIO(data)).convert("RGB").tobytes())


def fitted(height, width, size):
    shorter = min(height, width)
    tall, wide = height * size // shorter, width * size // shorter
    image = formula(height, width, 3).resize((wide, tall), Image.BILINEAR)
    left, top = (wide - size) // 2, (tall - size) // 2
    return image.crop((left, top, left + size, top + size)).tobytes()


palette = formula(HEIGHT, WIDTH, 1).point(lambda v: v // 16)
palette = Image.frombytes("P", palette.size, palette.tobytes())
palette.putpalette([v for i in range(16) for v in (255 - 16 * i, 9 * i, 100 + 5 * i)])
deep = Image.frombytes("I;16", (WIDTH, HEIGHT), bytes(v for b in formula(HEIGHT, WIDTH, 1).tobytes() for v in (b, b)))

print(f"""#pragma once

// Made by images.py.
// clang-format off

#include <cstddef>
#include <string>

namespace expected {{

inline std::string from_hex(const std::string& text) {{
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}}

/// Each file's pixels are [{HEIGHT}, {WIDTH}, 3].
inline constexpr std::size_t file_height = {HEIGHT}, file_width = {WIDTH};
""")
emit_file("jpeg", encoded(smooth("RGB"), "JPEG", quality=90, optimize=True), "Chroma at half the resolution.")
emit_file("jpeg_full", encoded(smooth("RGB"), "JPEG", quality=90, optimize=True, subsampling=0), "Chroma at the full one.")
emit_file("jpeg_progressive", encoded(smooth("RGB"), "JPEG", quality=90, progressive=True), "In several scans.")
emit_file("jpeg_gray", encoded(smooth("L"), "JPEG", quality=90, optimize=True), "One channel.")
emit_file("jpeg_cmyk", encoded(inks(), "JPEG", quality=90, optimize=True), "Four inks.")
emit_file("png_rgb", encoded(formula(HEIGHT, WIDTH, 3), "PNG"), "Three channels.")
emit_file("png_rgba", encoded(formula(HEIGHT, WIDTH, 4), "PNG"), "Of many transparencies.")
emit_file("png_gray", encoded(formula(HEIGHT, WIDTH, 1), "PNG"), "One channel.")
emit_file("png_gray_alpha", encoded(formula(HEIGHT, WIDTH, 2), "PNG"), "One channel and transparency.")
emit_file("png_palette", encoded(palette, "PNG", bits=4), "16 colours.")
emit_file("png_palette_alpha", encoded(palette, "PNG", bits=4, transparency=bytes(range(0, 160, 10))), "Some of them transparent.")
print("/// 16 bits, each value 257 times that of png_gray.")
emit("png_16", encoded(deep, "PNG"))
print("\n/// Images of the formula, their shorter side resized and the middle kept.")
for height, width, size in ((17, 40, 8), (40, 17, 8), (5, 7, 9), (8, 13, 8), (64, 64, 5), (1, 9, 3)):
    emit(f"fitted_{height}_{width}_to_{size}", fitted(height, width, size))
print("\n}  // namespace expected")
