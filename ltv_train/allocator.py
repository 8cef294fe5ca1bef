"""Memory of the C library for tensors: a training process keeps what it frees instead of handing it back.

A step frees and asks again for the same few hundred megabytes. By default glibc returns each large piece to the kernel
and gets it back page by page, zeroed: up to half of the CPU time of a step (measured: benchmark P6a). Uses nothing but
the standard library.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_SETTINGS = {
    _M_MMAP_THRESHOLD: 1 << 30,
    _M_TRIM_THRESHOLD: (1 << 31) - 1,
    _M_TOP_PAD: 256 << 20,
    _M_ARENA_MAX: 1,
}
"""Numbers of malloc.h (see mallopt(3)): pieces below 1 GiB come from the heap, which grows by 256 MiB at a time, is
never cut, and is one for all threads."""


def keep_memory() -> bool:
    """Whether this process keeps freed memory from now on: true with glibc, false on a C library without mallopt.

    The process then stays about as large as its largest step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    taken = [mallopt(name, value) == 1 for name, value in _SETTINGS.items()]
    return all(taken)
