"""Memory of the stand-in: guards, pools that count, limits, pinned memory."""

from __future__ import annotations

import numpy as np
import pytest

from tests import standin


def test_a_kernel_that_writes_behind_the_end(cp):
    source = 'extern "C" __global__ void over(float* y, int n) { int i = threadIdx.x; if (i <= n) y[i] = 1; }'
    with pytest.raises(standin.StandInError, match="behind the end"):
        cp.RawKernel(source, "over")((1,), (64,), (cp.zeros(10, "f"), np.int32(10)))
    before = 'extern "C" __global__ void under(float* y) { y[-1] = 1; }'
    with pytest.raises(standin.StandInError, match="before the start"):
        cp.RawKernel(before, "under")((1,), (1,), (cp.zeros(10, "f"),))


def test_pools_count(cp):
    pool = cp.get_default_memory_pool()
    assert (pool.used_bytes(), pool.total_bytes()) == (0, 0)
    x = cp.zeros(1000, "f")
    view = x[10:]
    assert (pool.used_bytes(), pool.total_bytes()) == (4096, 4096)
    del x
    assert pool.used_bytes() == 4096
    del view
    assert (pool.used_bytes(), pool.free_bytes(), pool.n_free_blocks()) == (0, 4096, 1)
    y = cp.zeros(1000, "f")  # takes the same block
    assert pool.total_bytes() == 4096
    del y
    pool.free_all_blocks()
    assert pool.total_bytes() == 0
    assert cp.cuda.runtime.memGetInfo() == (standin.STATE.memory, standin.STATE.memory)


def test_pools_count_for_each_device(cp):
    pool = cp.get_default_memory_pool()
    with cp.cuda.Device(1):
        x = cp.zeros(128, "f")
        assert pool.used_bytes() == 512
    assert pool.used_bytes() == 0
    del x


def test_memory_runs_out(cp):
    with standin.memory_limit(1 << 20):
        x = cp.zeros(1 << 17, "f")
        with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 1,048,576 bytes"):
            cp.zeros(1 << 18, "f")
        del x
        cp.zeros(1 << 18, "f")  # what was freed is given back first
    pool = cp.cuda.MemoryPool()
    pool.set_limit(size=1024)
    with cp.cuda.using_allocator(pool.malloc), pytest.raises(cp.cuda.memory.OutOfMemoryError, match="limit set to"):
        cp.zeros(1000)


def test_private_pools(cp):
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(128, "f")
    assert (pool.used_bytes(), cp.get_default_memory_pool().used_bytes()) == (512, 0)
    del x


def test_arrays_do_not_keep_their_pool(cp):
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(3, "f")
    memory = cp.cuda.UnownedMemory(x.data.ptr, 12, (pool, x), 0)
    y = cp.ndarray((3,), "f", cp.cuda.MemoryPointer(memory, 0))
    del pool, memory, x
    assert y.get().tolist() == [0, 0, 0]
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(3, "f")
    del pool
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorIllegalAddress"):
        x.get()


def test_the_allocator_of_a_pool(cp):
    """Of its errors, a pool knows CUDA's alone."""

    def limited(size):
        if size > 1024:
            raise MemoryError("enough")
        return cp.cuda.MemoryPointer(cp.cuda.Memory(size), 0)

    pool = cp.cuda.MemoryPool(limited)
    pool.malloc(1024)
    with pytest.raises(MemoryError, match="enough"):
        pool.malloc(2048)
    assert pool.free_bytes() == 1024


def test_pinned_memory(cp):
    import cupyx

    host = cupyx.empty_pinned((3, 4), "f")
    host[...] = 2
    x = cp.empty((3, 4), "f")
    with standin.counted() as counts:
        x.set(host, stream=cp.cuda.get_current_stream())
    assert counts == {"host to device": 1}
    np.testing.assert_array_equal(x.get(), host)
    assert isinstance(host.base.base, cp.cuda.PinnedMemoryPointer)
    back = np.frombuffer(cp.cuda.alloc_pinned_memory(48), "f", 12).reshape(3, 4)
    with standin.counted() as counts:
        x.get(stream=cp.cuda.get_current_stream(), out=back, blocking=False)
    assert counts == {"device to host": 1}


def test_what_set_refuses(cp):
    x = cp.zeros((2, 3), "f")
    for host, error in ((np.zeros((2, 3)), TypeError), (np.zeros((3, 2), "f"), ValueError), ([1], TypeError)):
        with pytest.raises(error):
            x.set(host)
    with pytest.raises(RuntimeError):
        x[:, ::2].set(np.zeros((2, 2), "f"))
