"""What this process holds of the machine's memory, and of the GPU's."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

#: glibc's `mallopt`: from what size on an allocation is a mapping of its own, and how much may lie free.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_LARGEST_THRESHOLD, _ALL = 32 * 2**20, 2**31 - 1


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for what comes next, where it is glibc.

    Else the pages of a large image are handed back and asked for again with every image, by each of those who copy it
    between DDS and the subscriber: 12 ms at 1920x1080.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, _ALL)


def memory_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def gpu_memory_bytes() -> int | None:
    """GPU memory of this process on all GPUs, or None where it uses none or nothing tells.

    From NVIDIA's management library where its bindings are installed (`nvidia-ml-py`), else from PyTorch, which knows
    its own only.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        processes = [p for handle in handles for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)]
        own = [process.usedGpuMemory or 0 for process in processes if process.pid == os.getpid()]
        pynvml.nvmlShutdown()
        if own:
            return sum(own)
    except Exception:  # the bindings have a class of their own for each thing that can be missing; Jetsons lack most
        pass
    torch = sys.modules.get("torch")  # not worth loading for this
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return sum(torch.cuda.memory_reserved(device) for device in range(torch.cuda.device_count()))
