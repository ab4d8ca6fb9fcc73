"""What a kernel's declaration says, and how wrong arguments are refused before they reach a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minicnn_kernels.cuda.catalog import KERNELS, find
from minicnn_kernels.cuda.on_cpu import KernelError, Program
from minicnn_kernels.cuda.signature import Signature, signatures

SOURCE = """
#define real float   // the type of numbers
// extern "C" __global__ void commented_out(int n) {}
extern "C" __global__ void __launch_bounds__(128) scale(
    const real* __restrict__ x,   // (n, c)
    real* __restrict__ y,         // (n, c)
    const float* bias,            // (c) or null
    const float4* quads /* (n*c/4, 4) */, unsigned char* mask,  // (2*n + 1)
    int n, int c, const unsigned long long seed, float factor) {
}
extern "C" __global__ void other(int n);
"""


def scale() -> Signature:
    return signatures(SOURCE)[0]


def good() -> dict[str, Any]:
    x = np.zeros((2, 6), np.float32)
    return {
        "x": x,
        "y": x.copy(),
        "quads": np.zeros((3, 4), np.float32),
        "mask": np.zeros(5, np.uint8),
        "seed": 2**64 - 1,
        "factor": 2,
    }


def test_a_declaration_is_read() -> None:
    assert [s.name for s in signatures(SOURCE)] == ["scale", "other"]
    x, y, bias, quads, mask, n, _, seed, factor = scale().parameters
    assert (x.ctype, x.read_only, x.restrict, x.shape) == ("const float*", True, True, ("n", "c"))
    assert (y.ctype, y.read_only) == ("float*", False)
    assert bias.optional
    assert (quads.ctype, quads.dtype, quads.alignment) == ("const float4*", np.float32, 16)
    assert (mask.dtype, mask.shape) == (np.uint8, ("2*n + 1",))
    assert (n.dtype, seed.dtype, factor.dtype) == (np.int32, np.uint64, np.float32)
    assert signatures(SOURCE, {"real": "double"})[0].parameters[0].dtype == np.float64


def test_an_alignment_may_follow_from_a_definition() -> None:
    source = """
#ifndef VECTOR
#define VECTOR 4
#endif
__global__ void copy(const float* x, // (n) aligned VECTOR*4
                     float* y, // (n) aligned 8
                     int n) {}"""
    for defines, aligned in (({}, 16), ({"VECTOR": "1"}, 4), ({"VECTOR": "2"}, 8)):
        assert [p.alignment for p in signatures(source, defines)[0].parameters[:2]] == [aligned, 8]


def test_sizes_follow_from_the_arrays_and_scalars_get_their_type() -> None:
    values = scale().bind(**good())
    assert list(values) == [p.name for p in scale().parameters]
    assert (values["n"], values["c"], values["bias"]) == (2, 6, None)
    assert [values[name].dtype for name in ("n", "seed", "factor")] == [np.int32, np.uint64, np.float32]


WRONG: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("element type", {"x": np.zeros((2, 6))}, TypeError, r"x \(const float\*\) needs an array of float32; got float64"),
    ("not an array", {"x": [1.0, 2.0]}, TypeError, "needs an array of float32; got list"),
    ("none", {"x": None}, TypeError, "needs an array; got None"),
    (
        "transposed",
        {"x": np.zeros((6, 2), np.float32).T},
        ValueError,
        r"C-contiguous.*strides \(4, 8\).*ascontiguousarray",
    ),
    ("axes", {"x": np.zeros(12, np.float32)}, ValueError, r"has the shape \(n, c\); got \(12,\)"),
    (
        "another size",
        {"y": np.zeros((2, 7), np.float32)},
        ValueError,
        r"y \(n, c\) must have the shape \(2, 6\) with n=2, c=6",
    ),
    ("a formula", {"mask": np.zeros(6, np.uint8)}, ValueError, r"\(2\*n \+ 1\) must have the shape \(5,\) with n=2"),
    ("a given size", {"n": 3}, ValueError, r"shape \(3, 6\) with n=3, c=6"),
    ("a fraction", {"seed": 1.5}, TypeError, "needs a whole number; got 1.5"),
    ("a text", {"factor": "2"}, TypeError, "needs a number; got '2'"),
    (
        "too large",
        {"seed": 2**64},
        ValueError,
        "holds numbers from 0 to 18446744073709551615; got 18446744073709551616",
    ),
    ("negative", {"seed": -1}, ValueError, "holds numbers from 0 to"),
    ("unknown", {"stride": 1}, TypeError, "there is no parameter 'stride'"),
]


@pytest.mark.parametrize(("change", "error", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_arguments_are_refused(change: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        scale().bind(**{**good(), **change})


def test_read_only_aliased_missing_and_misaligned() -> None:
    arguments = good()
    arguments["y"].flags.writeable = False
    with pytest.raises(ValueError, match=r"y \(float\*\) is written to, and the array is read-only"):
        scale().bind(**arguments)
    arguments = good()
    with pytest.raises(ValueError, match="x and y are the same memory, and the kernel writes to y"):
        scale().bind(**{**arguments, "y": arguments["x"]})
    arguments.pop("factor")
    arguments.pop("mask")
    with pytest.raises(TypeError, match="mask, factor must be given"):
        scale().bind(**arguments)
    memory = np.zeros(40, np.float32)
    start = next(i for i in range(1, 5) if memory[i:].ctypes.data % 16)
    with pytest.raises(ValueError, match=r"quads .* multiple of 16 bytes.*copy\(\)"):
        scale().bind(**{**good(), "quads": memory[start : start + 12].reshape(3, 4)})
    with pytest.raises(TypeError, match="9 arguments are needed, 10 came"):
        scale().bind(*range(10))
    with pytest.raises(TypeError, match="'x' is given by position and by name"):
        scale().bind(good()["x"], **good())


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_every_array_of_the_table_says_its_shape(kernel: Any) -> None:
    arrays = [p for p in kernel.signature.parameters if p.array]
    assert arrays
    assert all(p.shape is not None or p.most for p in arrays)
    assert kernel.text.splitlines()[1].startswith("//"), "a source begins with what it computes"


def test_an_unknown_kernel() -> None:
    with pytest.raises(ValueError, match="did you mean 'im2col'"):
        find("im2coll")


LISTS = """
#define real float
#define MOST 3
struct Arrays { real* of[MOST]; };
struct Numbers { int of[MOST]; };
extern "C" __global__ void twice(
    Arrays x, const Arrays y,
    Arrays z,              // () or null
    const Numbers sizes, int beyond) {
    for (int i = 0; i < 2; ++i)
        for (int e = 0; e < sizes.of[i] + beyond; ++e) x.of[i][e] = 2 * y.of[i][e];
}
"""


def lists() -> dict[str, Any]:
    x, y = ([np.ones(n, np.float32) for n in (4, 2)] for _ in range(2))
    return {"x": x, "y": y, "sizes": [4, 2], "beyond": 0}


def test_lists_are_passed_by_value() -> None:
    (kernel,) = signatures(LISTS)
    x, y, z, sizes, _ = kernel.parameters
    assert (x.most, x.array, x.read_only, y.read_only, z.optional) == (3, True, False, True, True)
    assert (sizes.array, sizes.dtype) == (False, np.int32)
    assert signatures(LISTS, {"real": "double"})[0].parameters[0].dtype == np.float64
    values = kernel.bind(**lists())
    assert (values["z"], values["sizes"], values["beyond"]) == (None, [4, 2], 0)


WRONG_LISTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x": [np.ones(2, np.float32)] * 4}, TypeError, r"x \(Arrays\) needs a list of up to 3; got 4"),
    ({"x": np.ones(2, np.float32)}, TypeError, "needs a list of up to 3; got ndarray"),
    ({"x": None}, TypeError, "needs a list of up to 3; got NoneType"),
    ({"y": [np.ones(2)]}, TypeError, "needs arrays of float32; got float64"),
    ({"y": [1.0]}, TypeError, "needs arrays of float32; got float"),
]


@pytest.mark.parametrize(("change", "error", "says"), WRONG_LISTS, ids=[row[2] for row in WRONG_LISTS])
def test_wrong_lists_are_refused(change: dict[str, Any], error: type[Exception], says: str) -> None:
    (kernel,) = signatures(LISTS)
    with pytest.raises(error, match=says):
        kernel.bind(**{**lists(), **change})
    arguments = lists()
    arguments["x"][1].flags.writeable = False
    with pytest.raises(ValueError, match="is written to, and an array of it is read-only"):
        kernel.bind(**arguments)


@pytest.mark.usefixtures("gxx")
def test_a_kernel_that_leaves_an_array_of_a_list_is_found() -> None:
    arguments = lists()
    program = Program(LISTS)
    program.launch("twice", 1, 1, named=arguments)
    np.testing.assert_array_equal(np.concatenate(arguments["x"]), np.full(6, 2))
    with pytest.raises(KernelError, match=r"y\.of\[0\]\[4\], outside of the array"):
        program.launch("twice", 1, 1, named={**lists(), "beyond": 1})
