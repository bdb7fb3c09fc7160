"""What start-up made, in large pages of memory.

What a request touches lies scattered over a hundred megabytes. In pages of 4 KB the processor looks up, for most of it, where the
page is; in pages of 2 MB it hardly has to: 6 to 15 % less CPU for a query (ADR 34).
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path

_MAPS, _SIZE = Path("/proc/self/maps"), Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
_MADV_COLLAPSE = 25  # Linux 6.1, include/uapi/asm-generic/mman-common.h


def collapse_memory() -> None:
    """Have the kernel put the process's private memory, as it is now, together into large pages.

    Takes about as long as copying it. What comes later comes in pages of the usual size, and where the system cannot do this,
    everything stays so.
    """
    try:
        size, maps = int(_SIZE.read_text()), _MAPS.read_text()
        madvise = ctypes.CDLL(None).madvise
    except (OSError, ValueError, AttributeError):
        return
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in _whole_pages(maps, size):
        madvise(start, end - start, _MADV_COLLAPSE)


def _whole_pages(maps: str, size: int) -> Iterator[tuple[int, int]]:
    """The parts of anonymous, writable mappings that large pages can hold."""
    for line in maps.splitlines():
        place, rights, _, device, _, *name = line.split(maxsplit=5)
        if not rights.startswith("rw-p") or device != "00:00" or (name and name[0] != "[heap]"):
            continue
        start, end = (int(bound, 16) for bound in place.split("-"))
        start, end = -(-start // size) * size, end // size * size
        if start < end:
            yield start, end
