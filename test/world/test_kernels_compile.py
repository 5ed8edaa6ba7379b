"""The Triton kernels compile for the GPU that training uses; none is needed for that."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "triton")),
    reason="the Triton renderer needs torch and triton: pip install 'lapose[train]'",
)

# Sizes are those of training; table sizes are plain int32, never constants that would need another compilation.
_COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from lapose_core.world.triton_kernels import compile_kernels

TABLES = {"cameras": "*fp32", "arcs": "*fp32", "looks": "*fp32", "boxes": "*fp32", "atlas": "*u8"}
OUTPUTS = {"frames": "*u8", "target": "*fp32", "visible": "*i8"}
COUNTS = dict.fromkeys(("frames_per_scene", "arcs_per_scene", "boxes_per_frame"), "i32")
CONSTANTS = {
    "draw": {"HEIGHT": 224, "WIDTH": 480, "TILE_H": 8, "TILE_W": 16},
    "trace": {"HEIGHT": 224, "WIDTH": 480, "STRIDE": 16, "CELLS": 420, "BLOCK": 128, "depth": None},
}
kernels = compile_kernels()
for name, constants in CONSTANTS.items():
    kernel = kernels[name]
    types = TABLES | OUTPUTS | COUNTS | dict.fromkeys(constants, "constexpr")
    signature = {argument: types[argument] for argument in kernel.arg_names}
    assert all(p.do_not_specialize for p in kernel.params if signature[p.name] == "i32"), name
    compiled = triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 90, 32))
    assert compiled.asm["cubin"], name
"""


def test_both_kernels_compile_for_an_h100(tmp_path: Path):
    without_interpreter = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment = without_interpreter | {
        "TRITON_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run([sys.executable, "-c", _COMPILE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
