#!/usr/bin/env python3
"""Writes a data set of PNG files for the programs' tests: write_images.py DIR COUNT...

DIR/train has a class folder with that many images for each count, DIR/test one with two. Images are stripes, of a direction and
colour for each class, 20 to 40 pixels a side.
"""
import pathlib
import struct
import sys
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(height, width, pixel):
    """A PNG file of the colours pixel(y, x)."""
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(y, x)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def stripes(label, number):
    def pixel(y, x):
        wave = (x * (label + 1) * 9 + y * (7 - 3 * label) * 5 + number * 41) % 256
        return tuple(wave if c == label % 3 else 40 + 20 * number % 150 for c in range(3))
    return png(20 + number % 21, 40 - number % 13, pixel)


root = pathlib.Path(sys.argv[1])
for label, count in enumerate(map(int, sys.argv[2:])):
    for part, images in (("train", range(count)), ("test", range(count, count + 2))):
        folder = root / part / f"class{label}"
        folder.mkdir(parents=True)
        for number in images:
            (folder / f"{number:03}.png").write_bytes(stripes(label, number))
