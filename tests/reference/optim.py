#!/usr/bin/env python3
"""Prints optim.hpp: parameters after 20 steps of PyTorch's optimizers, in double precision. The tests compute the same start,
gradients and learning rates."""
import textwrap

import torch

SIZES = [70, 9, 3]
STEPS = 20

torch.set_default_dtype(torch.float64)


def trained(make):
    """All parameters after STEPS steps."""
    weights = [torch.cos(0.37 * torch.arange(n) + p).requires_grad_() for p, n in enumerate(SIZES)]
    optimizer = make(weights)
    for t in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.0625 * (1 + t % 3)
        for p, w in enumerate(weights):
            w.grad = torch.sin(1 + 0.7 * torch.arange(len(w)) + 1.3 * t + p) + 0.5 * w.detach()
        optimizer.step()
    return torch.cat(weights)


def emit(name, values):
    print(f"inline const std::vector<double> {name} =")
    text = "{" + ", ".join(f"{v:.13g}" for v in values.tolist()) + "};"
    print(textwrap.fill(text, 118, initial_indent="    ", subsequent_indent="     "))


print("#pragma once\n\n// Made by optim.py.\n// clang-format off\n\n#include <vector>\n\nnamespace expected {\n")
emit("sgd", trained(lambda w: torch.optim.SGD(w, lr=1, momentum=0.9, weight_decay=0.01)))
emit("adam", trained(lambda w: torch.optim.Adam(w, lr=1)))
emit("adam_decay", trained(lambda w: torch.optim.Adam(w, lr=1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)))
print("\n}  // namespace expected")
