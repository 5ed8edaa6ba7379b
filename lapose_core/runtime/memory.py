"""What this process holds of the machine's memory, and of the GPU's."""

from __future__ import annotations

import os
import sys
from pathlib import Path


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
