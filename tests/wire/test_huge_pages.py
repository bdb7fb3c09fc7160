"""Memory in large pages: as much of it as the system gives, and everything in it as before."""

import subprocess
import sys

_PROGRAM = """
import ctypes, mmap
from pathlib import Path
from transport.huge_pages import collapse_memory

def large_kb():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))

page = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
page.write(b"1" * (4 << 20))
start = ctypes.addressof(ctypes.c_char.from_buffer(page))
start += -start % (2 << 20)
madvise = ctypes.CDLL(None).madvise
madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
can = madvise(start, 2 << 20, 25) == 0

texts = [str(number) * 3 for number in range(500_000)]
before = large_kb()
collapse_memory()
assert texts == [str(number) * 3 for number in range(500_000)]
print(can, large_kb() - before)
"""


def test_memory_goes_into_large_pages_where_the_system_has_them() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    can, grown_kb = done.stdout.split()

    # Half a million texts take 30 MB; a few of the pages are shared with something that cannot move.
    assert int(grown_kb) >= 16_384 if can == "True" else grown_kb == "0"
