"""Which NVIDIA GPU there is, asked of the driver: no library need be loaded to learn that there is none."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True)
class Gpu:
    """A GPU's name, such as "NVIDIA RTX A2000", and compute capability, such as "8.6"."""

    name: str
    compute_capability: str


@cache
def find_gpu() -> Gpu | None:
    """The first GPU that CUDA offers to this process, or None."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, name, major, minor = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_int(), ctypes.c_int()
    asked = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGet(ctypes.byref(device), 0),
        lambda: driver.cuDeviceGetName(name, len(name), device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device),
    )
    if any(ask() != 0 for ask in asked):
        return None
    return Gpu(name.value.decode(errors="replace"), f"{major.value}.{minor.value}")
