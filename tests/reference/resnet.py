#!/usr/bin/env python3
"""Prints resnet.hpp: what torchvision's ResNets and the projectors compute, in double precision, from values that the
tests compute by the same formula. Large arrays are reduced to their projection on noise and their norm."""
import torch
import torchvision
from torch import nn

STREAM_INPUT, STREAM_GRADIENT, STREAM_PROBE = 1000, 1001, 2000
MASK = (1 << 64) - 1


def noise(shape, stream):
    """Multiples of 2^-23 in [-1, 1): the upper 24 bits of splitmix64 of (stream, place in row-major order)."""
    n = torch.Size(shape).numel()
    values = []
    for i in range(n):
        u = ((stream << 32) + i + 1) * 0x9E3779B97F4A7C15 & MASK
        u = (u ^ u >> 30) * 0xBF58476D1CE4E5B9 & MASK
        u = (u ^ u >> 27) * 0x94D049BB133111EB & MASK
        values.append((((u ^ u >> 31) >> 40) - (1 << 23)) * 2.0**-23)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def set_by_formula(net):
    """Values that keep the signal's size: He's variance for filters, 1 / fan_in for linear layers, norms near 1 and 0."""
    with torch.no_grad():
        for i, (name, p) in enumerate(net.named_parameters()):
            if p.dim() == 4:
                p.copy_((6 / (p.shape[0] * p.shape[2] * p.shape[3])) ** 0.5 * noise(p.shape, i))
            elif p.dim() == 2:
                p.copy_((3 / p.shape[1]) ** 0.5 * noise(p.shape, i))
            else:
                p.copy_((1 if name.endswith("weight") else 0) + 0.25 * noise(p.shape, i))


class ResNet(torchvision.models.ResNet):
    """torchvision's network up to its features, at any width, with the CIFAR stem if asked for."""

    def __init__(self, block, layers, width, cifar):
        self.ratio = 64 // width
        super().__init__(block, layers)
        if cifar:
            self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
            self.maxpool = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.fc = nn.Identity()

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        if planes == 64:
            self.inplanes = 64 // self.ratio
        return super()._make_layer(block, planes // self.ratio, blocks, stride, dilate)


def projector(kind, features, out=128, bottleneck=10):
    if kind == "thesis":
        layers = [nn.Linear(features, bottleneck), nn.Linear(bottleneck, out), nn.ReLU(), nn.Linear(out, out)]
    elif kind == "mlp":
        layers = [nn.Linear(features, features), nn.ReLU(), nn.Linear(features, out)]
    else:
        layers = [nn.Linear(features, features), nn.BatchNorm1d(features), nn.ReLU(),
                  nn.Linear(features, out, bias=False), nn.BatchNorm1d(out)]
    return nn.ModuleDict({"projector": nn.Sequential(*layers)})


def two(values, stream):
    values = values.detach()
    return f"{(values * noise(values.shape, stream)).sum().item():.13g}, {values.norm().item():.13g}"


def emit(label, net, forward, x):
    net.double().train()
    set_by_formula(net)
    y = forward(x)
    (y * noise(y.shape, STREAM_GRADIENT)).sum().backward()
    count = sum(p.numel() for p in net.parameters())
    print(f'inline const Network {label} = {{{count}, {{{two(y, STREAM_PROBE)}}},')
    statistics = [(n, b) for n, b in net.named_buffers() if "running" in n]
    net.eval()
    print(f"  {{{two(forward(x), STREAM_PROBE)}}},")
    for arrays in ([(n, p.grad) for n, p in net.named_parameters()], statistics):
        print("  {")
        for i, (name, values) in enumerate(arrays):
            print(f'    {{"{name}", {{{two(values, STREAM_PROBE + i)}}}}},')
        print("  },")
    print("};")


print("""#pragma once

// Made by resnet.py.
// clang-format off

#include <cstddef>
#include <vector>

namespace expected {

/// An array's projection on noise, and its norm.
struct Summary {
  double projection, norm;
};
struct Array {
  const char* name;
  Summary summary;
};

/// What a network computes: its output when training, then in evaluation; its gradients; its running statistics.
struct Network {
  std::size_t parameters;
  Summary training, evaluation;
  std::vector<Array> gradients, statistics;
};
""")
basic, bottleneck = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck
small, large = noise((2, 3, 16, 16), STREAM_INPUT), noise((2, 3, 48, 64), STREAM_INPUT)
for label, block, layers, width, cifar, x in (
    ("resnet18", basic, [2, 2, 2, 2], 64, True, small),
    ("resnet10_width8", basic, [1, 1, 1, 1], 8, True, small),
    ("resnet34_width8", basic, [3, 4, 6, 3], 8, True, small),
    ("resnet50_width8", bottleneck, [3, 4, 6, 3], 8, True, small),
    ("resnet18_width8_imagenet", basic, [2, 2, 2, 2], 8, False, large),
):
    net = ResNet(block, layers, width, cifar)
    emit(label, net, net, x)
for kind in ("thesis", "mlp", "mlp_bn"):
    net = projector(kind, 24)
    emit("projector_" + kind, net, net["projector"], noise((6, 24), STREAM_INPUT))
print("\n}  // namespace expected")
