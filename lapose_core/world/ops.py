"""The few operations that `surfaces`, `ground`, `solids` and `sky` are written in, on plain numbers.

Each renderer compiles those with its own version of these: `render_cpu` (numba), `triton_kernels`.
"""

import math

import numpy as np


def load(table, index):
    return table[index]


def where(condition, a, b):
    return a if condition else b


def minimum(a, b):
    return a if a < b else b


def maximum(a, b):
    return a if a > b else b


def floor(x):
    return math.floor(x)


def sqrt(x):
    return math.sqrt(x)


def exp(x):
    return math.exp(x)


def log2(x):
    return math.log2(x)


def to_int(x):
    return int(x)


def to_float(x):
    return float(x)


def to_single(x):
    return np.float32(x)
