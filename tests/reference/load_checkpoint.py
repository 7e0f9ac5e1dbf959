#!/usr/bin/env python3
"""Loads a model that pretrain wrote into torchvision's ResNet and compares its features with lotar's.

Run by hand: the tests need neither PyTorch nor a trained model.

    load_checkpoint.py runs/NAME/model.safetensors                       loads it strictly, prints the first features
    load_checkpoint.py runs/NAME/model.safetensors --features FILE.npy   and compares them

model_features.cpp makes FILE.npy. It is float32 [N, D], what lotar's network gives in eval mode for the N inputs of inputs(): image n, row h, column w,
channel c is ((31 n + 7 h + 3 w + 11 c + h w) mod 17) / 16, [N, size, size, 3] in lotar's order. The exit code is 1 if any two
features differ by more than 1e-4 of the largest. The network has the stem for small images: conv1 is 3x3 with stride 1 and
padding 1, and there is no max pooling. Entries under projector. are left out, and so are those under pruned. (SDCLR's second
branch).

Needs torch, torchvision and numpy; reads safetensors by itself.
"""
import argparse
import json
import pathlib
import struct
import sys

import numpy
import torch
import torchvision

DTYPES = {"F32": numpy.float32, "F64": numpy.float64, "I64": numpy.int64}


def read_safetensors(path):
    """The file's tensors by name, and its metadata."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + size + begin : 8 + size + end], DTYPES[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors, metadata


def small_image_resnet(arch):
    """torchvision's network with the stem for small images, giving features."""
    net = getattr(torchvision.models, arch)(weights=None)
    net.conv1 = torch.nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    net.maxpool = torch.nn.Identity()
    net.fc = torch.nn.Identity()
    return net.eval()


def inputs(count, size):
    """[count, 3, size, size]"""
    n, h, w, c = numpy.indices((count, size, size, 3))
    images = ((31 * n + 7 * h + 3 * w + 11 * c + h * w) % 17).astype(numpy.float32) / 16
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--arch", default="resnet18", help="a ResNet of torchvision (default: resnet18)")
    parser.add_argument("--size", type=int, default=32, help="height and width of the inputs (default: 32)")
    parser.add_argument("--features", help="float32 .npy of lotar's features")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()

    tensors, metadata = read_safetensors(options.model)
    backbone = {k: v for k, v in tensors.items() if not k.startswith(("projector.", "pruned."))}
    net = small_image_resnet(options.arch)
    net.load_state_dict(backbone, strict=True)
    print(f"{options.model}: {len(backbone)} of {len(tensors)} tensors fit {options.arch}; metadata {metadata}")

    theirs = numpy.load(options.features) if options.features else None
    with torch.no_grad():
        features = net(inputs(4 if theirs is None else len(theirs), options.size)).numpy()
    print("PyTorch's features begin", features[:, :4].tolist())
    if theirs is None:
        return 0
    if theirs.dtype != numpy.float32 or theirs.shape != features.shape:
        sys.exit(f"{options.features}: wanted float32 {list(features.shape)}, got {theirs.dtype} {list(theirs.shape)}")
    largest = float(numpy.abs(features).max())
    difference = float(numpy.abs(theirs - features).max()) / largest  # nan, and so no agreement, if either has one
    agree = difference <= options.tolerance
    print(f"largest difference {difference:.3g} of the largest feature {largest:.3g}:",
          "they agree" if agree else f"beyond {options.tolerance:g}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
