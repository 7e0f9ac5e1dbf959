#!/usr/bin/env python3
"""Prints diagnostics.hpp: rank correlations, and the diagnostics of projections by their definitions, with numpy's singular values
in double precision, of inputs that the tests compute by the same formulas."""
import textwrap

import numpy as np

SHAPES = ((12, 5), (3, 8))  # images and widths: more rows than columns, and fewer


def matrix(rows, cols):
    """Exact in single precision."""
    i, j = np.arange(rows)[:, None], np.arange(cols)[None, :]
    return ((37 * i + 61 * j + 13 * i * j) % 101 - 50) / 2.0 ** (5 + j % 3)


def ranks(x):
    """Mean ranks by counting: those below, and half of those equal."""
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def effective_rank(z):
    p = np.linalg.svd(z, compute_uv=False)
    p = p / p.sum()
    return np.exp(-(p * np.log(p)).sum())


def diagnostics(z):
    norms = np.linalg.norm(z, axis=1)
    u, v = np.split(z / norms[:, None], 2)
    pairs = [np.exp(-2 * ((u[i] - u[j]) ** 2).sum()) for j in range(len(u)) for i in range(j)]
    return np.array([norms.mean(), ((u - v) ** 2).sum(1).mean(), np.log(np.mean(pairs)), effective_rank(z)])


def emit(comment, name, values):
    print(f"/// {comment}\ninline const std::vector<double> {name} =")
    text = "{" + ", ".join(f"{v:.15g}" for v in values) + "};"
    print(textwrap.fill(text, 118, initial_indent="    ", subsequent_indent="     "))


print("#pragma once\n\n// Made by diagnostics.py.\n// clang-format off\n\n#include <vector>\n\nnamespace expected {\n")
i = np.arange(40)
x, y = 17 * i % 41 - 20, i * i % 11  # y has many ties
emit("of x and y, x and x^3, x and -y", "rank_correlations",
     [np.corrcoef(ranks(x), ranks(other))[0, 1] for other in (y, x**3, -y)])
for rows, cols in SHAPES:
    emit(f"norm, alignment, uniformity and effective rank of matrix [{2 * rows}, {cols}]", f"diagnostics_{rows}x{cols}",
         diagnostics(matrix(2 * rows, cols)))
a = matrix(9, 9)
emit("of matrix [9, 9] plus its transpose", "eigenvalues", np.linalg.eigvalsh(a + a.T))
print("\n}  // namespace expected")
