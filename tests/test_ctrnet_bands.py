"""Bands of one image side by side: none twice, none left out, and nobody waiting on their cores."""

import threading
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from remover.ctrnet import bands
from remover.ctrnet.bands import for_each_band, share

TASKS = Path("/proc/self/task")


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_band_is_worked_on_once(threads):
    seen = []
    for_each_band(seen.append, range(0, 100, 7))
    assert sorted(seen) == list(range(0, 100, 7))


def test_what_a_band_raises_is_raised(threads):
    def fail(first):
        if first == 4:
            raise MemoryError("band 4")

    with pytest.raises(MemoryError, match="band 4"):
        for_each_band(fail, range(8))


@given(rows=st.integers(1, 500), wanted=st.floats(0.1, 600))
def test_bands_are_at_least_two_and_much_alike(rows, wanted):
    band = share(rows, wanted)
    assert 1 <= band <= max(1, -(-rows // 2)) and band <= 2 * wanted + 1


@pytest.mark.skipif(bands._find_openmp() is None or not TASKS.exists(), reason="torch has another OpenMP")
def test_openmps_threads_do_not_wait_where_bands_are_worked_on():
    def count():
        return len(list(TASKS.iterdir()))

    def settle(wanted):
        until = time.monotonic() + 5
        while count() > wanted and time.monotonic() < until:
            time.sleep(0.01)
        return count()

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        x = torch.ones(1 << 22)
        together = threading.Barrier(3)
        for_each_band(lambda first: together.wait(5) and None, range(3))  # its own threads are there from now on
        time.sleep(0.1)
        alone = count()
        x.add_(1)
        assert count() == alone + 2, "torch made no threads"
        for_each_band(lambda first: None, range(2))
        assert settle(alone) == alone
        assert float(x.add_(1).sum()) == 3 * (1 << 22), "torch makes them anew"
    finally:
        torch.set_num_threads(before)
