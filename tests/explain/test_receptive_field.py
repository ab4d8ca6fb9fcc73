"""Receptive fields against gradients: with weights of 1, those of the pixels that an output depends on are not 0."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.core.errors import ShapeError
from minicnn.explain import Field, summary

Model = nn.Module


def ones(model: Model) -> Model:
    """All weights 1, in float64."""
    for p in model.parameters():
        p.requires_grad_(False)[...] = 1.0
    return model.double().eval()


def fields_of(model: Model, size: tuple[int, ...]) -> tuple[Field, Field]:
    return summary(model, size, verbose=0).rows[0].fields[0]


def seen(model: Model, size: tuple[int, ...], at: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last row and column of the image that the output at an index depends on."""
    x = minicnn.rand(1, *size, dtype=minicnn.float64).requires_grad_()
    model(x)[at].sum().backward()
    dependent = (x.grad.numpy() != 0).any((0, 1))
    places = [np.flatnonzero(dependent.any(axis)) for axis in (1, 0)]
    return [(int(p[0]), int(p[-1])) for p in places]


@st.composite
def chains(draw: Any) -> nn.Sequential:
    """Convolutions and poolings of any kernel, stride, padding and dilation, different along the axes."""

    def pair(*values: int) -> tuple[int, int]:
        return draw(st.sampled_from(values)), draw(st.sampled_from(values))

    layers: list[Model] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride = pair(1, 2, 3, 5), pair(1, 2, 3)
        if draw(st.booleans()):
            layers.append(nn.Conv2d(1, 1, kernel, stride, pair(0, 1, 2, 3), pair(1, 2, 3), bias=False))
        else:
            padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
            layers.append(nn.AvgPool2d(kernel, stride, padding, ceil_mode=draw(st.booleans())))
    return nn.Sequential(*layers)


@settings(max_examples=30, deadline=None)
@given(net=chains())
def test_a_chain_of_windows_sees_what_its_gradient_reaches(net: nn.Sequential) -> None:
    size = (1, 61, 53)
    try:
        fields = fields_of(ones(net), size)
    except ShapeError:
        assume(False)  # too small for these windows
    middle = [f.count // 2 for f in fields]
    expected = [f.at(i) for f, i in zip(fields, middle, strict=True)]
    assume(all(first >= 0 and last < f.extent for (first, last), f in zip(expected, fields, strict=True)))
    assert seen(net, size, (0, 0, *middle)) == expected
    assert tuple(f.size for f in fields) == tuple(last - first + 1 for first, last in expected)


@settings(max_examples=50, deadline=None)
@given(net=chains())
def test_the_recurrence_of_the_textbooks(net: nn.Sequential) -> None:
    try:
        rows = summary(net, (1, 61, 53), verbose=0).rows[1:]
    except ShapeError:
        assume(False)
    r, j = [1, 1], [1, 1]
    for layer, row in zip(net, rows, strict=True):
        for axis in (0, 1):
            k, s = layer.kernel_size[axis], layer.stride[axis]
            d = layer.dilation[axis] if isinstance(layer, nn.Conv2d) else 1
            r[axis] += (k - 1) * d * j[axis]
            j[axis] *= s
        assert (row.receptive_field, row.jump) == (tuple(r), tuple(j))


class Block(Model):
    """Any function of two layers and an image."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.near = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        self.far = nn.Conv2d(1, 1, 5, padding=4, dilation=2, bias=False)

    def forward(self, x: Any) -> Any:
        return self.function(x, self.near, self.far)


def written(x: Any, y: Any) -> Any:
    z = minicnn.zeros(1, 2, *x.shape[2:], dtype=x.dtype)
    z[:, :1] = x
    z[:, 1:, :, 1:] = y[..., :-1]  # shifted by one column
    return z


def written_everywhere(column: Any) -> Any:
    z = minicnn.zeros(*column.shape[:3], 26, dtype=column.dtype)
    z[:] = column
    return z


def written_apart(x: Any, y: Any) -> Any:
    z = x * 1
    z[..., 1::2] = y[..., 1::2]
    return z


def in_place(x: Any, y: Any) -> Any:
    x = x * 1
    x += y
    return x


def view_of_what_is_changed(x: Any, y: Any) -> Any:
    x = x * 1
    view = x[:, :, ::2]
    x += y
    return view


def by_columns(x: Any, near: Any) -> Any:
    """A convolution as im2col and a product of matrices."""
    columns = near.weight.reshape(1, 9) @ F.unfold(x, 3, padding=1)
    return columns.reshape(1, 1, *x.shape[2:])


def by_windows(x: Any) -> Any:
    """A convolution as views of windows and a sum of products."""
    return minicnn.einsum("ncijkl,kl->ncij", x.unfold(2, 3, 1).unfold(3, 3, 1), minicnn.ones(3, 3, dtype=x.dtype))


EXACT: dict[str, Callable[..., Any]] = {
    "sum of branches": lambda x, a, b: a(x) + b(x),
    "residual": lambda x, a, b: x + a(a(x)),
    "inception": lambda x, a, b: minicnn.cat([x, a(x), b(a(x)), F.avg_pool2d(x, 3, 1, 1)], 1).sum(1, keepdim=True),
    "asymmetric": lambda x, a, b: F.conv2d(x, a.weight[:, :, :1], padding=(0, 1)),
    "strided branches": lambda x, a, b: F.avg_pool2d(a(x), 2) + b(x)[:, :, ::2, ::2],
    "slice": lambda x, a, b: a(x)[:, :, 3:-2, 1::2],
    "crop and pad": lambda x, a, b: a(F.pad(x, (-2, 3, 1, -1))),
    "flip": lambda x, a, b: b(a(x).flip(3)),
    "transpose": lambda x, a, b: b(x.transpose(2, 3)[:, :, ::2]).transpose(2, 3),
    "channels last": lambda x, a, b: a(x).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    "channel shuffle": lambda x, a, b: F.channel_shuffle(minicnn.cat([x, a(x)], 1), 2).sum(1, keepdim=True),
    "pixel unshuffle": lambda x, a, b: F.pixel_unshuffle(a(x), 2).sum(1, keepdim=True),
    "rows and columns flattened": lambda x, a, b: a((b(x).flatten(1) * 2).unflatten(1, (1, *x.shape[2:]))),
    "stack": lambda x, a, b: minicnn.stack([x, a(x)]).sum(0),
    "chunks": lambda x, a, b: sum(a(minicnn.cat([x, x], 1)[:, :1]).chunk(1, 1)),
    "written by slices": lambda x, a, b: written(x, a(x)).sum(1, keepdim=True),
    "in place": lambda x, a, b: in_place(x, b(x)),
    "one column everywhere": lambda x, a, b: (x * 1).copy_(a(x)[..., 5:6]),
    "written to all columns": lambda x, a, b: written_everywhere(a(x)[..., 5:6]),
    "overwritten": lambda x, a, b: b(b(x)).copy_(a(x)),
    "im2col": lambda x, a, b: by_columns(b(x), a),
    "fold": lambda x, a, b: F.fold(minicnn.ones(9, 9, dtype=x.dtype) @ F.unfold(x, 3), x.shape[2:], 3),
    "windows as views": lambda x, a, b: by_windows(a(x)),
    "detached": lambda x, a, b: a(x) + 0 * b(x).detach() + b(x),
    "one image of none": lambda x, a, b: a(b(x)[0])[None],
    "reflected border": lambda x, a, b: F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), a.weight, dilation=2),
    "product of matrices": lambda x, a, b: a(x) @ minicnn.ones(x.shape[3], x.shape[3], dtype=x.dtype) + x,
}


@pytest.mark.parametrize("name", EXACT)
def test_graphs_of_operations_see_what_their_gradients_reach(name: str) -> None:
    size = (1, 24, 26)
    net = ones(Block(EXACT[name]))
    fields = fields_of(net, size)
    shape = net(minicnn.ones(1, *size, dtype=minicnn.float64)).shape
    inside = [0, 0]
    for i in range(0, max(shape[2:]), 3):
        at = [min(i, n - 1) for n in shape[2:]]
        for axis, (field, position, found) in enumerate(zip(fields, at, seen(net, size, (0, 0, *at)), strict=True)):
            first, last = field.at(position)
            in_the_middle = field.count // 4 <= position <= 3 * field.count // 4
            if field.whole:
                assert name == "product of matrices"
                inside[axis] += found == (0, field.extent - 1)
            elif first >= 0 and last < field.extent and in_the_middle:
                inside[axis] += 1
                assert found == (first, last), (name, axis, position)
                assert last - first + 1 == field.size
            else:
                assert first <= found[0]
                assert found[1] <= last
    assert min(inside) > 0


BOUNDS: dict[str, tuple[Callable[..., Any], int]] = {  # and by how many rows more than measured, at most
    "nearest": (lambda x, a, b: a(F.interpolate(a(x), scale_factor=2)), 0),
    "bilinear": (lambda x, a, b: a(F.interpolate(x, scale_factor=2, mode="bilinear")), 1),
    "corners": (lambda x, a, b: F.interpolate(a(x), size=(31, 17), mode="bilinear", align_corners=True), 2),
    "transposed": (lambda x, a, b: F.conv_transpose2d(a(x), a.weight, stride=2, padding=1, output_padding=1), 1),
    "down and up": (lambda x, a, b: x + F.interpolate(b(F.avg_pool2d(a(x), 2)), scale_factor=2), 1),
    "down and up again": (lambda x, a, b: F.conv_transpose2d(F.conv2d(x, a.weight, stride=2), a.weight, stride=2), 0),
    "pixel shuffle": (lambda x, a, b: a(F.pixel_shuffle(minicnn.cat([b(x)] * 4, 1), 2)), 1),
    "bins": (lambda x, a, b: F.adaptive_avg_pool2d(a(x), (7, 5)), 3),
    "every second column written": (lambda x, a, b: written_apart(x, a(x)), 0),
    "unpooled": (lambda x, a, b: a(F.max_unpool2d(*F.max_pool2d(a(x), 2, return_indices=True), 2)), 2),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_where_positions_differ_the_field_is_the_largest(name: str) -> None:
    function, slack = BOUNDS[name]
    size = (1, 24, 26)
    net = ones(Block(function))
    fields = fields_of(net, size)
    shape = net(minicnn.ones(1, *size, dtype=minicnn.float64)).shape
    largest = [0, 0]
    for i in range(max(shape[2:])):
        at = [min(i, n - 1) for n in shape[2:]]
        for axis, (field, position, found) in enumerate(zip(fields, at, seen(net, size, (0, 0, *at)), strict=True)):
            first, last = field.at(position)
            assert first <= found[0]
            assert found[1] <= last
            largest[axis] = max(largest[axis], found[1] - found[0] + 1)
    for field, n in zip(fields, largest, strict=True):
        assert n <= field.size <= n + slack


WHOLE: dict[str, Callable[..., Any]] = {
    "global pooling": lambda x, a, b: F.adaptive_avg_pool2d(a(x), 1),
    "mean": lambda x, a, b: a(x).mean((2, 3)),
    "flattened": lambda x, a, b: a(x).flatten(1) @ minicnn.ones(x[0].numel(), 3),
    "squeeze and excitation": lambda x, a, b: a(x * x.mean((2, 3), keepdim=True)),
    "softmax of the pixels": lambda x, a, b: x.flatten(2).softmax(2).reshape(x.shape),
    "sorted": lambda x, a, b: x.flatten().sort().values.reshape(x.shape),
    "turned by an array": lambda x, a, b: x[:, :, minicnn.randperm(x.shape[2])][..., minicnn.randperm(x.shape[3])],
    "view of what is changed": lambda x, a, b: view_of_what_is_changed(x, a(x)),
    "rolled": lambda x, a, b: x.roll((1, 1), (2, 3)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_mixes_all_positions_sees_all(name: str) -> None:
    row = summary(Block(WHOLE[name]), (1, 12, 14), verbose=0).rows[0]
    assert row.sees_all
    assert row.receptive_field == (12, 14)


def test_a_pixel_picked_by_number_is_one_position() -> None:
    fields = fields_of(Block(lambda x, a, b: a(x)[:, :, 4, 6]), (1, 12, 14))
    assert [f.at(0) for f in fields] == [(3, 5), (5, 7)]
    assert [f.size for f in fields] == [3, 3]


def test_corners_that_coincide_give_the_jump_between_centres() -> None:
    net = Block(lambda x, a, b: F.interpolate(x, size=(33, 17), mode="bilinear", align_corners=True))
    fields = fields_of(net, (1, 3, 3))
    assert [(f.size, f.jump) for f in fields] == [(2, Fraction(1, 16)), (2, Fraction(1, 8))]


def test_what_is_no_image_has_no_field() -> None:
    rows = summary(nn.Sequential(nn.Linear(5, 3), nn.ReLU()), (5,), verbose=0).rows
    assert all(row.receptive_field is None and row.jump is None and not row.sees_all for row in rows)


def test_two_images_have_a_field_each() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 5, stride=2, padding=2)

        def forward(self, x: Any, y: Any) -> Any:
            return self.left(x) + self.right(y)

    found = summary(Two(), [(1, 8, 8), (1, 16, 16)], verbose=0)
    both = found.rows[0].fields
    assert {image: (rows.size, rows.jump) for image, (rows, _) in both.items()} == {0: (3, 1), 1: (5, 2)}
    assert "3 | 5" in str(found).splitlines()[2]


def test_the_field_does_not_depend_on_the_size_of_the_image() -> None:
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, stride=2, padding=1) for _ in range(5)])
    sizes = {side: summary(net, (1, side, side), verbose=0).receptive_field for side in (32, 64, 224)}
    assert set(sizes.values()) == {(63, 63)}


def test_memory_that_is_given_to_another_array_is_not_mistaken_for_the_old_one() -> None:
    """Masks come from comparisons, which are no operations: they must not inherit the field of a freed array."""
    net = Block(lambda x, a, b: x * ((b(b(b(x))) * 0 + 1).numpy() > 0).astype(np.float32))
    assert summary(net, (1, 16, 16), verbose=0).receptive_field == (1, 1)
