"""The stand-in for cuBLAS, called as by ctypes."""

from __future__ import annotations

import ctypes as C

import numpy as np
import pytest

from tests import standin
from tests.standin import cublas

P, INT, LONG = C.c_void_p, C.c_int, C.c_longlong
ARGUMENTS = (
    *(P, INT, INT, INT, INT, INT, P),  # handle, transposed or not, m, n, k, alpha
    *(P, INT, INT, LONG) * 2,  # a factor: address, type, leading dimension, stride
    *(P, P, INT, INT, LONG, INT, INT, INT),  # beta, the result, how many, precision, algorithm
)


@pytest.fixture
def library(cp):
    library = cublas.Library()
    library.cublasCreate_v2.argtypes = (P,)
    library.cublasGemmStridedBatchedEx.argtypes = ARGUMENTS
    handle = P()
    assert library.cublasCreate_v2(C.byref(handle)) == cublas.SUCCESS
    return library, handle


def product(library, a, b, out, compute=cublas.FP32, alpha=1.0, beta=0.0, **changed):
    """out = alpha a b + beta out, for (batch, rows, columns) in C order: to cuBLAS, the product of the transposes."""
    functions, handle = library
    batch, m, k = a.shape
    n = b.shape[2]
    kind, scalar = (1, C.c_double) if out.dtype == "d" else (0, C.c_float)
    values = {"lda": n, "ldb": k, "ldc": n, "stride_c": m * n, **changed}
    one, two = scalar(alpha), scalar(beta)
    return functions.cublasGemmStridedBatchedEx(
        *(handle, 0, 0, n, m, k, C.addressof(one)),
        *(b.data.ptr, kind, values["lda"], k * n, a.data.ptr, kind, values["ldb"], m * k),
        *(C.addressof(two), out.data.ptr, kind, values["ldc"], values["stride_c"], batch, compute, -1),
    )


@pytest.mark.parametrize(("kind", "compute"), [("f", cublas.FP32), ("d", cublas.FP64)])
def test_products(cp, library, kind, compute):
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(shape).astype(kind) for shape in ((2, 3, 4), (2, 4, 5), (2, 3, 5)))
    out = cp.asarray(c)
    assert product(library, cp.asarray(a), cp.asarray(b), out, compute, 2.0, 0.5) == cublas.SUCCESS
    np.testing.assert_allclose(out.get(), 2 * a @ b + 0.5 * c, rtol=1e-5, atol=1e-6)


def test_beta_0_does_not_read_the_result(cp, library):
    out = cp.empty((1, 2, 2), "f")
    product(library, cp.ones((1, 2, 2), "f"), cp.ones((1, 2, 2), "f"), out)
    assert (out.get() == 2).all()


def test_tf32_rounds_when_asked(cp, library):
    a = np.float32(1 + 2**-11 + 2**-12).reshape(1, 1, 1)
    out = cp.empty((1, 1, 1), "f")
    product(library, cp.asarray(a), cp.ones((1, 1, 1), "f"), out, cublas.FP32)
    assert out.item() == a.item()
    product(library, cp.asarray(a), cp.ones((1, 1, 1), "f"), out, cublas.TF32)
    assert out.item() == 1 + 2**-10


def test_tf32_rounding():
    x = np.float32([0, 1, 1 + 2**-11, -1 - 2**-11, 1 + 2**-12, np.inf, np.nan, 3.4e38])
    rounded = cublas.tf32(x)
    np.testing.assert_array_equal(rounded[:7], np.float32([0, 1, 1 + 2**-10, -1 - 2**-10, 1, np.inf, np.nan]))


def test_sizes_that_cublas_refuses(cp, library):
    a = cp.ones((1, 3, 3), "f")
    assert product(library, a, a, cp.empty((1, 3, 3), "f"), lda=2) == cublas.INVALID_VALUE
    assert product(library, a, a, cp.empty((1, 3, 3), "f"), compute=cublas.FP64) == cublas.NOT_SUPPORTED


def test_memory_behind_an_array(cp, library):
    a = cp.ones((1, 3, 3), "f")
    with pytest.raises(standin.StandInError, match="behind the end"):
        product(library, a, a, cp.empty((1, 2, 3), "f"))
    with pytest.raises(standin.StandInError, match="overlap"):
        product(library, cp.ones((2, 3, 3), "f"), cp.ones((2, 3, 3), "f"), cp.empty((2, 3, 3), "f"), stride_c=0)


def test_functions_need_their_types(cp, library):
    with pytest.raises(standin.StandInError, match="argtypes"):
        library[0].cublasDestroy_v2(library[1])


def test_products_are_captured(cp, library):
    a, out = cp.ones((1, 2, 2), "f"), cp.zeros((1, 2, 2), "f")
    functions, handle = library
    functions.cublasSetStream_v2.argtypes = (P, P)
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        functions.cublasSetStream_v2(handle, stream.ptr)
        stream.begin_capture()
        product(library, a, a, out)
        graph = stream.end_capture()
    assert not out.get().any()
    graph.launch()
    assert (out.get() == 2).all()
