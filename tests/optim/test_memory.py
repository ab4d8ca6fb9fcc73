"""Optimisers write into the memory that is theirs: whatever the parameters were given, and whatever they share."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from minicnn_kernels import available_backends, threads
from minicnn_kernels.numba_cpu.addresses import overlapping
from minicnn_kernels.registry import call

import minicnn
from minicnn import optim

WAYS = [
    ("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("AdamW", {}), ("Adagrad", {}), ("Adadelta", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
]  # fmt: skip
OPTIMISERS = pytest.mark.parametrize(("name", "options"), WAYS, ids=[name for name, _ in WAYS])
BACKENDS = pytest.mark.parametrize("backend", available_backends())


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(min(2, threads.available_threads()))
    yield
    threads.set_num_threads(before)


def stepped(name, options, shape=(10, 4)):
    """An optimiser after its first step, and its two parameters."""
    params = [minicnn.zeros(*shape, requires_grad=True) for _ in range(2)]
    optimizer = getattr(optim, name)(params, lr=0.1, **options)
    for p in params:
        p.grad = minicnn.ones(*shape)
    optimizer.step()
    return optimizer, params


@OPTIMISERS
@BACKENDS
@pytest.mark.parametrize("shape", [(5, 4), (12, 4), (40,), (4, 10)])
def test_a_parameter_that_was_resized(name, options, backend, shape):
    with minicnn.use_backend(backend):
        optimizer, (p, other) = stepped(name, options)
        before = other.detach().clone()
        p.data, p.grad = minicnn.zeros(*shape), minicnn.ones(*shape)
        message = re.escape(f"state of a parameter of shape {shape} has the shape (10, 4); they must be equal")
        with pytest.raises(ValueError, match=message + r".*Fix: a new optimiser, or del optimizer\.state"):
            optimizer.step()
        assert minicnn.equal(other, before)
        assert minicnn.equal(p, minicnn.zeros(*shape))
        del optimizer.state[p]
        optimizer.step()  # as the message says
    assert float(p.max()) < 0


@OPTIMISERS
@BACKENDS
def test_a_parameter_that_got_another_type(name, options, backend):
    with minicnn.use_backend(backend):
        optimizer, (p, _) = stepped(name, options)
        p.data, p.grad = p.data.double(), minicnn.ones(10, 4, dtype=minicnn.float64)
        with pytest.raises(TypeError, match=r"state of a parameter of type float64 has the type float32.*Fix:"):
            optimizer.step()


@BACKENDS
def test_a_gradient_of_another_shape_or_type(backend):
    sgd = (None, 0.1, 0.0, 0.0, 0.0, False, False, False)
    zeros = np.zeros(8, np.float32)
    with minicnn.use_backend(backend):
        for grad, error in ((np.ones(4, np.float32), ValueError), (np.ones(8), TypeError)):
            with pytest.raises(error, match=r"the gradient of a parameter of .*Fix: compute the gradient anew"):
                call("sgd.step", [zeros], [grad], *sgd)
    np.testing.assert_array_equal(zeros, 0)


def shared(n):
    """Parameters on shared memory, as arrays: the same twice, one that reaches into both, and two that interleave."""
    memory = np.linspace(-1, 1, 4 * n, dtype=np.float32)
    first = memory[:n]
    pair = memory[2 * n :].reshape(n, 2)
    return memory, [first, memory[n : 2 * n], first, memory[n // 2 : n + n // 2], first[::-1], pair[:, 0], pair[:, 1]]


@OPTIMISERS
@BACKENDS
def test_parameters_that_share_memory(name, options, backend, two_threads):
    """As if each had an optimiser of its own, one after the other."""
    n = 50 if backend == "reference" else 1 << 18
    grads = [np.random.default_rng(i).normal(size=n).astype("float32") for i in range(7)]
    results = []
    with minicnn.use_backend(backend):
        for together in (True, False):
            memory, arrays = shared(n)
            params = [minicnn.from_numpy(a).requires_grad_() for a in arrays]
            make = getattr(optim, name)
            parts = [params] if together else [[p] for p in params]
            optimizers = [make(part, lr=0.1, **options) for part in parts]
            for _ in range(3):
                for p, grad in zip(params, grads, strict=True):
                    p.grad = minicnn.from_numpy(grad)
                for optimizer in optimizers:
                    optimizer.step()
            results.append(memory)
    np.testing.assert_array_equal(*results)


def test_tied_parameters_lose_no_update(two_threads):
    n = 1 << 22  # enough for two threads to meet
    p, q = (minicnn.zeros(n, requires_grad=True) for _ in range(2))
    q.data = p.data
    optimizer = optim.SGD([p, q], lr=1.0)
    for _ in range(20):
        p.grad = q.grad = minicnn.ones(n)
        optimizer.step()
    np.testing.assert_array_equal(p.detach().numpy(), -40)


@OPTIMISERS
@BACKENDS
def test_gradients_of_all_kinds(name, options, backend, two_threads):
    """Odd strides, read-only, shared between parameters, and the memory of a parameter itself."""
    shape = (6, 4) if backend == "reference" else (300, 400)
    random = np.random.default_rng(0)
    values = random.normal(size=shape).astype("float32")
    record = np.zeros(shape, [("tag", "i1"), ("value", "f4")])
    record["value"] = values
    locked = values.copy()
    locked.flags.writeable = False
    row = np.broadcast_to(values[0], shape)
    grads = [values, values, record["value"], locked, row, values[::-1, ::-1], np.asfortranarray(values)]

    def params_and_grads(copied):
        params = [np.full(shape, i + 1, np.float32) for i in range(len(grads) + 1)]
        return params, [np.array(g, order="C") for g in grads] if copied else grads

    results = []
    with minicnn.use_backend(backend):
        for copied in (False, True):
            arrays, given = params_and_grads(copied)
            params = [minicnn.from_numpy(a).requires_grad_() for a in arrays]
            optimizer = getattr(optim, name)(params, lr=0.1, **options)
            for _ in range(2):
                own = arrays[-1].copy() if copied else arrays[-1]
                for p, grad in zip(params, [*given, own], strict=True):
                    p.grad = minicnn.Tensor._wrap(grad)
                optimizer.step()
            results.append(arrays)
    for got, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(locked, values)


def test_overlapping():
    m = np.zeros(24, np.float32)
    table = m.reshape(4, 6)
    assert not overlapping([m[:8], m[16:], m[8:16]], [])
    assert not overlapping([m[:8]], [m[8:], m[8:16]])  # what is only read may be shared
    assert not overlapping([table[:2].T, table[2:, ::-1]], [np.zeros(3, np.float32)])
    assert not overlapping([np.zeros((), np.float32), m[:0], m], [])
    assert overlapping([m, m], [])
    assert overlapping([m[:9], m[8:]], [])
    assert overlapping([m[8::-1], m[8:]], [])
    assert overlapping([m[16:], m[:8]], [m[:8]])
    assert overlapping([m[:1], m[4:8]], [m[23:6:-1]])
    assert overlapping([m[:8], m[20:]], [m[2:4]])
    assert not overlapping([m[9:16]], [np.broadcast_to(m[8:9], (5, 7)), m[16:17]])
