"""Loops compiled by numba, for what NumPy would take many passes over small arrays for."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from lapose_core.errors import LaposeError


def load_numba() -> ModuleType:
    """numba. Raises LaposeError where it cannot be loaded: ROS has no package of it on Ubuntu 24.04."""
    try:
        import numba
    except ImportError as error:
        raise LaposeError(f"lapose needs numba, which cannot be loaded ({error}): pip install numba") from error
    return numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled when it is first called and kept on disk for the next process.

    What it calls that is compiled too has to be in its file: numba looks only there for whether what it kept is old.
    Without numba the function raises what `load_numba` does.
    """
    return _compiled(function)


def compiled_sums(function: Callable[..., Any]) -> Callable[..., Any]:
    """`compiled`, and sums are taken in any order: eight at a time.

    For inner loops that write nothing: those that do take one way or another by where their arrays lie in memory, and
    are the same to the last digit only as long as the order is kept. Sum in double precision: what was compiled just
    now and what comes from disk may differ in the order.
    """
    return _compiled(function, fastmath={"reassoc", "nsz"})


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    try:
        numba = load_numba()
    except LaposeError as error:
        return _raising(error)
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:  # neither the code's folder nor the user's cache can be written
        return numba.njit(function, **options)


def _raising(error: LaposeError) -> Callable[..., NoReturn]:
    def function(*_: Any) -> NoReturn:
        raise error

    return function
