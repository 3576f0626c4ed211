"""Memory is shared by all threads, and given back once it is free, as a program of its own tells."""

import platform
import subprocess
import sys

BUSY = """
import ctypes, os, sys, threading
from prefix_core.memory import few_arenas, give_back
if "few" in sys.argv:
    few_arenas()
held, ready = [], threading.Barrier(12)
def work():
    ready.wait()
    held.append([bytearray(50_000) for _ in range(100)])
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
last = bytearray(50_000)
held.clear()
before = resident()
give_back()
print(before - resident())
ctypes.CDLL(None).malloc_stats()
"""
GNU = platform.libc_ver()[0] == "glibc"


def busy(*asked: str) -> tuple[int, int]:
    """Pools that the threads took memory from, and the bytes given back at the end."""
    done = subprocess.run([sys.executable, "-c", BUSY, *asked], capture_output=True, text=True, check=True)
    return done.stderr.count("Arena "), int(done.stdout)


def test_threads_share_two_pools() -> None:
    if not GNU:
        subprocess.run(
            [sys.executable, "-c", "import prefix_core.memory as m; m.few_arenas(); m.give_back()"], check=True
        )
        return
    assert busy()[0] > 2
    assert busy("few")[0] == 2


def test_what_is_free_is_given_back() -> None:
    assert not GNU or busy("few")[1] > 20_000_000
