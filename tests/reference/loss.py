#!/usr/bin/env python3
"""Prints loss.hpp: losses and gradients by PyTorch, in double precision, of inputs that the tests compute by the same formula."""
import itertools
import textwrap

import torch
import torch.nn.functional as F

N, D, TEMPERATURE, SIGMA = 4, 3, 0.2, 0.5
ROWS, CLASSES = 5, 4


def wave(rows, cols):
    i = torch.arange(rows, dtype=torch.float64)[:, None]
    j = torch.arange(cols, dtype=torch.float64)[None, :]
    return torch.sin(1 + 0.7 * i + 1.3 * j + 0.11 * i * j) * (1 + 0.1 * i)


def nt_xent(z):
    """The loss of each anchor, as a cross-entropy over the other rows."""
    u = F.normalize(z)
    s = (u @ u.T / TEMPERATURE).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
    return F.cross_entropy(s, (torch.arange(len(z)) + len(z) // 2) % len(z), reduction="none")


def lotar(z, sign, squared, normalized, gradient):
    x = F.normalize(z) if normalized else z
    d = (x[:N] - x[N:]).norm(dim=1)
    d = d**2 if squared else d
    w = 1 + sign * (d - d.mean()) / (d.max() - d.min())
    w = w if gradient else w.detach()
    return d, w, (torch.cat([w, w]) * nt_xent(z)).mean()


def numbers(values):
    return "{" + ", ".join(f"{v:.13g}" for v in values.detach().reshape(-1).tolist()) + "}"


def wrapped(text):
    print(textwrap.fill(text, 118, initial_indent="    ", subsequent_indent="     "))


def emit(name, values):
    print(f"inline const std::vector<double> {name} =")
    wrapped(numbers(values) + ";")


print("#pragma once\n\n// Made by loss.py.\n// clang-format off\n\n#include <vector>\n\nnamespace expected {\n")

z = wave(2 * N, D).requires_grad_()
losses = nt_xent(z)
emit("nt_xent_losses", losses)
(gradient,) = torch.autograd.grad(losses.mean(), z, retain_graph=True)
emit("nt_xent_gradient", gradient)
coefficients = torch.cos(torch.arange(2 * N, dtype=torch.float64))
(gradient,) = torch.autograd.grad((coefficients * losses).sum(), z, retain_graph=True)
emit("nt_xent_weighted_gradient", gradient)

focal = (1 - torch.exp(-losses)) ** 2 * losses
emit("focal_losses", focal)
(gradient,) = torch.autograd.grad((coefficients * focal).sum(), z, retain_graph=True)
emit("focal_gradient", gradient)

u = F.normalize(z)
s = u @ u.T / TEMPERATURE
positive = s.diagonal(N).repeat(2)
others = s.masked_fill(torch.eye(2 * N, dtype=torch.bool).roll(N, 1) | torch.eye(2 * N, dtype=torch.bool), float("-inf"))
v = (2 - N * torch.softmax(positive[:N].detach() * TEMPERATURE / SIGMA, 0)).repeat(2)
dclw = others.logsumexp(1) - v * positive
emit("dclw_weights", v)
emit("dclw_losses", dclw)
(gradient,) = torch.autograd.grad((coefficients * dclw).sum(), z, retain_graph=True)
emit("dclw_gradient", gradient)

print("""
/// One combination of LoTaR's options: its distances, weights, loss, and dloss / dz.
struct Lotar {
  double sign;
  bool squared, normalized, gradient_through_weights;
  std::vector<double> d, w;
  double loss;
  std::vector<double> dz;
};
inline const std::vector<Lotar> lotar = {""")
for options in itertools.product((1, -1), (False, True), (False, True), (False, True)):
    d, w, loss = lotar(z, *options)
    (gradient,) = torch.autograd.grad(loss, z)
    flags = ", ".join(str(o).lower() for o in options)
    wrapped(f"{{{flags}, {numbers(d)}, {numbers(w)}, {loss.item():.13g}, {numbers(gradient)}}},")
print("};\n")

d = torch.tensor([1.0, 4.0, 1.0, 2.0, 4.0, 4.0], dtype=torch.float64, requires_grad=True)
w = 1 + (d - d.mean()) / (d.max() - d.min())
(gradient,) = torch.autograd.grad((w * torch.tensor([1.0, 2, 3, 4, 5, 6], dtype=torch.float64)).sum(), d)
emit("weights_gradient_with_ties", gradient)

x = (3 * wave(ROWS, CLASSES)).requires_grad_()
losses = F.cross_entropy(x, torch.arange(ROWS) % CLASSES, reduction="none")
emit("cross_entropy_losses", losses)
(gradient,) = torch.autograd.grad(losses.mean(), x)
emit("cross_entropy_gradient", gradient)

print("\n}  // namespace expected")
