#!/usr/bin/env python3
"""Prints eval.hpp: a linear probe trained by PyTorch in double precision on the batches and from the start that lotar draws, which
this script draws again from the published Philox 4x32-10."""
import math
import textwrap

import numpy
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


def uniform(bits):
    return (next(bits) >> 8) * 2.0**-24


def normal(bits):
    """Marsaglia's polar method, rounded to float32 where lotar rounds."""
    single = numpy.float32
    while True:
        u, v = single(uniform(bits) * 2 - 1), single(uniform(bits) * 2 - 1)
        s = single(float(u) ** 2 + float(v * v))
        if 0 < s < 1:
            return u * numpy.sqrt(single(-2) * single(math.log(s)) / s)


def start(deviation):
    """[CLASSES, D + 1]: weights, and the bias as the last column."""
    bits = draws(SEED, 0, 0xFFFF)
    bound = torch.tensor(1 / D**0.5, dtype=torch.float32).item()
    if deviation == 0:
        values = torch.tensor([uniform(bits) * 2 * bound - bound for _ in range(CLASSES * (D + 1))])
        return values.float().double().reshape(CLASSES, D + 1)
    values = torch.tensor([float(numpy.float32(deviation) * normal(bits)) for _ in range(CLASSES * (D + 1))])
    values = values.reshape(CLASSES, D + 1)
    values[:, D] = 0
    return values


def shuffled(epoch):
    bits = draws(SEED, epoch, 0xFFFE)
    order = list(range(N))
    for i in range(N, 1, -1):
        j = next(bits) * i >> 32
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def features(rows):
    i, j = torch.arange(rows)[:, None], torch.arange(D)[None, :]
    return torch.sin(0.9 * i + 1.7 * j + 0.05 * i * j) * (1 + j) + 0.3 * j


def trained(make_optimizer, make_schedule=None, standardize=False, deviation=0, copies=1):
    """Weights and bias after the last epoch, the mean loss of each epoch, and the right ones of 30 other rows after each."""
    x, unseen = features(copies * N), features(300)[270:]
    labels = torch.arange(N) * 7 % CLASSES
    wanted = torch.arange(30) * 3 % CLASSES
    mean = x.mean(0) if standardize else torch.zeros(D)
    scale = (x.var(0, unbiased=False) + 1e-6).rsqrt() if standardize else torch.ones(D)
    layer = torch.nn.Linear(D, CLASSES)
    with torch.no_grad():
        layer.weight.copy_(start(deviation)[:, :D])
        layer.bias.copy_(start(deviation)[:, D])
    optimizer = make_optimizer(layer.parameters())
    schedule = make_schedule(optimizer) if make_schedule else None
    losses, right = [], []
    for epoch in range(EPOCHS):
        total = 0
        rate = optimizer.param_groups[0]["lr"]
        optimizer.param_groups[0]["lr"] = float(numpy.float32(rate))  # as lotar keeps its rates
        for batch in torch.tensor(shuffled(epoch)).split(BATCH):
            rows = batch + epoch % copies * N
            loss = F.cross_entropy(layer((x[rows] - mean) * scale), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / N)
        right.append((layer((unseen - mean) * scale).argmax(1) == wanted).sum().item())
        optimizer.param_groups[0]["lr"] = rate
        if schedule:
            schedule.step()
    weight = layer.weight.detach() * scale
    return torch.cat([weight.reshape(-1), layer.bias.detach() - weight @ mean]), torch.tensor(losses), right


def emit(name, values):
    print(f"inline const std::vector<double> {name} =")
    text = "{" + ", ".join(f"{v:.13g}" for v in values.tolist()) + "};"
    print(textwrap.fill(text, 118, initial_indent="    ", subsequent_indent="     "))


def adam(decay):
    return lambda parameters: torch.optim.Adam(parameters, lr=0.0625, weight_decay=decay)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.0625, momentum=0.9)


def tenths(optimizer):
    return torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.1)


def exponential(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=(1e-3 / 0.0625) ** (1 / EPOCHS))


RUNS = {
    "probe": trained(adam(0)),
    "standardized_probe": trained(adam(0.01), standardize=True),
    "sgd_probe": trained(sgd, tenths, deviation=0.01),
    "exponential_probe": trained(adam(0.01), exponential, copies=2),
}
print("#pragma once\n\n// Made by eval.py.\n// clang-format off\n\n#include <vector>\n\nnamespace expected {\n")
for name, (parameters, losses, right) in RUNS.items():
    print("/// weight [C, D], then bias [C]; the mean loss of each epoch; and how many of 30 other rows are right after it.")
    emit(name, parameters)
    emit(name + "_losses", losses)
    print(f"inline const std::vector<int> {name}_right = {{{', '.join(map(str, right))}}};")
print("\n}  // namespace expected")
