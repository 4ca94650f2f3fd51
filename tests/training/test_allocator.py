import subprocess
import sys

import pytest

COUNT = """
import ctypes, resource, sys
from sqlft.training.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
library = ctypes.CDLL(None)
library.malloc.restype, size = ctypes.c_void_p, 4 * 2**20
def step():
    tensors = [library.malloc(ctypes.c_size_t(size)) for _ in range(16)]
    for tensor in tensors:
        ctypes.memset(tensor, 1, size)
    for tensor in tensors:
        library.free(ctypes.c_void_p(tensor))
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    ran = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True)
    if ran.returncode == 3:
        pytest.skip("this C library has no mallopt")
    return int(ran.stdout)


def test_what_was_freed_is_not_asked_of_the_system_again():
    assert 10 * faults("keep") < faults("leave")
