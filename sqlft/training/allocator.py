"""The C library's allocator, told to keep what training frees: each step asks for the same again."""

from __future__ import annotations

import ctypes
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h's names
LARGEST_THRESHOLD = 32 * 2**20  # mallopt takes no more


def keep_freed_memory() -> bool:
    """Has glibc's malloc give no memory back to the system, from now on, in this process.

    Tensors of a few MiB are mapped and unmapped in every operation otherwise, and the system clears their pages each
    time: a seventh of the CPU time of the demo's training. See mallopt(3).

    Returns:
        Whether the C library is one that can be told; others are left as they are.
    """
    library: Any = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    thresholds = ((M_MMAP_THRESHOLD, LARGEST_THRESHOLD), (M_TRIM_THRESHOLD, 2**31 - 1))
    return all(library.mallopt(name, value) for name, value in thresholds)
