#!/usr/bin/env python3
"""Prints eval.hpp: a linear probe trained by PyTorch in double precision on the batches and from the start that lotar draws, which
this script draws again from the published Philox 4x32-10."""
import textwrap

import torch
import torch.nn.functional as F

N, D, CLASSES, BATCH, EPOCHS, SEED = 70, 6, 4, 32, 5, 7

torch.set_default_dtype(torch.float64)


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def draws(seed, epoch, operation):
    """The words of lotar's stream for sample 0 and view 0."""
    block = 0
    while True:
        yield from philox([block, operation, 0, epoch], (seed & 0xFFFFFFFF, seed >> 32))
        block += 1


def start():
    """[CLASSES, D + 1]: weights, and the bias as the last column."""
    bits = draws(SEED, 0, 0xFFFF)
    bound = torch.tensor(1 / D**0.5, dtype=torch.float32).item()
    u = torch.tensor([(next(bits) >> 8) * 2.0**-24 for _ in range(CLASSES * (D + 1))])
    return (u * 2 * bound - bound).float().double().reshape(CLASSES, D + 1)


def shuffled(epoch):
    bits = draws(SEED, epoch, 0xFFFE)
    order = list(range(N))
    for i in range(N, 1, -1):
        j = next(bits) * i >> 32
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def trained(standardize, weight_decay):
    i, j = torch.arange(N)[:, None], torch.arange(D)[None, :]
    x = torch.sin(0.9 * i + 1.7 * j + 0.05 * i * j) * (1 + j) + 0.3 * j
    labels = torch.arange(N) * 7 % CLASSES
    mean = x.mean(0) if standardize else torch.zeros(D)
    scale = (x.var(0, unbiased=False) + 1e-6).rsqrt() if standardize else torch.ones(D)
    layer = torch.nn.Linear(D, CLASSES)
    with torch.no_grad():
        layer.weight.copy_(start()[:, :D])
        layer.bias.copy_(start()[:, D])
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.0625, weight_decay=weight_decay)
    losses = []
    for epoch in range(EPOCHS):
        total = 0
        for batch in torch.tensor(shuffled(epoch)).split(BATCH):
            loss = F.cross_entropy(layer((x[batch] - mean) * scale), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / N)
    weight = layer.weight.detach() * scale
    return torch.cat([weight.reshape(-1), layer.bias.detach() - weight @ mean]), torch.tensor(losses)


def emit(name, values):
    print(f"inline const std::vector<double> {name} =")
    text = "{" + ", ".join(f"{v:.13g}" for v in values.tolist()) + "};"
    print(textwrap.fill(text, 118, initial_indent="    ", subsequent_indent="     "))


print("#pragma once\n\n// Made by eval.py.\n\n#include <vector>\n\nnamespace expected {\n")
for name, options in (("probe", (False, 0)), ("standardized_probe", (True, 0.01))):
    parameters, losses = trained(*options)
    print("/// weight [C, D], then bias [C]; and the mean loss of each epoch.")
    emit(name, parameters)
    emit(name + "_losses", losses)
print("\n}  // namespace expected")
