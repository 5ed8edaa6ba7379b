"""The shading code is written once and compiled twice: copies of its functions see another compiler's `ops`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

from lapose_core.world import ground, lens, relief, shutter, sky, solids, surfaces

SHADING = (relief, surfaces, ground, solids, sky, lens, shutter)


def functions_of(module: ModuleType) -> list[FunctionType]:
    """The functions that a module defines, in order."""
    return [v for v in vars(module).values() if isinstance(v, FunctionType) and v.__module__ == module.__name__]


def compile_copies(scope: dict[str, Any], functions: Iterable[Any], compiler: Callable, version: str = "") -> None:
    """Compile copies of the functions that see `scope` as their globals, and put them there under their names.

    `version` becomes part of the qualified name, and so of the name under which a compiler caches on disk.
    """
    for function in functions:
        copy = FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
        copy.__annotations__ = function.__annotations__
        copy.__module__, copy.__qualname__ = function.__module__, f"{function.__name__}{version}"
        scope[function.__name__] = compiler(copy)
