"""The tile that goes on from a product to the gradient of a batch norm, in the widths of AVX-512, AVX2 and NEON."""

from __future__ import annotations

import numpy as np
import pytest
from minicnn_kernels.numba_cpu.vector import norm_tile

from .micro_kernels import WIDTHS, close, kind_of, load_once, table


@pytest.mark.parametrize(("lanes", "itemsize"), WIDTHS)
@pytest.mark.parametrize("rows", [14, 5, 1])
@pytest.mark.parametrize("k", [0, 1, 7, 90])
@pytest.mark.parametrize("columns", ["all", "one less", "one"])
@pytest.mark.parametrize("adding", [False, True])
def test_a_tile_goes_on_to_the_gradient_of_a_norm(lanes, itemsize, rows, k, columns, adding):
    rng, kind, before = np.random.default_rng(0), kind_of(itemsize), 3  # columns before those that are meant
    n = {"all": 2 * lanes, "one less": 2 * lanes - 1, "one": 1}[columns]
    a, b = rng.standard_normal((rows, k + 2)).astype(kind), rng.standard_normal((k, 2 * lanes)).astype(kind)
    x, out = np.full((rows, n + 4), np.nan, kind), np.full((rows, n + 3), 7, kind)
    x[:, 2 : 2 + n] = rng.standard_normal((rows, n))
    old = out[:, 1 : 1 + n] = rng.standard_normal((rows, n)).astype(kind)
    constants = rng.standard_normal((3, before + n)).astype(kind)
    words = table(*constants.ctypes.data + np.arange(3) * constants.strides[0], 0, 0)
    words.view(kind)[24 // itemsize], words.view(kind)[32 // itemsize] = -0.5, np.nan
    sums, depth = np.full((2, n + 1), 5.0), table(*(i * itemsize for i in range(k)))
    product = a.ctypes.data, a.strides[0], depth.ctypes.data, k, b.ctypes.data
    places = x[:, 2:].ctypes.data, x.strides[0], out[:, 1:].ctypes.data, out.strides[0], 8, 1 << 20
    run = load_once(norm_tile.emit, rows, itemsize, lanes, adding)
    run(*product, *places, words.ctypes.data, before * itemsize, sums[0].ctypes.data, sums[1].ctypes.data, n)
    mean, scale, shift = constants[:, before:]
    away = x[:, 2 : 2 + n] - mean
    h = np.where(away * scale + shift <= -0.5, 0, (a[:, :k] @ b)[:, :n])
    np.testing.assert_allclose(out[:, 1 : 1 + n], scale * h + (old if adding else 0), **close(itemsize))
    np.testing.assert_allclose(sums[:, :n], [5 + h.sum(0), 5 + (h * away).sum(0)], **close(itemsize))
    assert (out[:, [0, n + 1, n + 2]] == 7).all()
    assert (sums[:, n] == 5).all()
