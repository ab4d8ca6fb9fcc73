"""Rows: convolution, pooling, unfolding, resizing."""

from __future__ import annotations

import numpy as np

from .case import Case, Op, Source


def _two(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _plane(s: Source, kernel: tuple[int, int], dilation: tuple[int, int], padding: tuple[int, int]) -> tuple[int, int]:
    """A height and a width, unequal in general, into which the window fits."""
    least = [max(d * (k - 1) + 1 - 2 * p, 1) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    return least[0] + s.integer(0, 5), least[1] + s.integer(0, 5)


def conv2d(s: Source) -> Case:
    groups = s.choice((1, 1, 2, 3))
    c, o = groups * s.integer(1, 3), groups * s.integer(1, 3)
    kernel = s.integer(1, 4), s.integer(1, 4)
    dilation = s.pair(1, 3)
    padding: object = s.pair(0, 3)
    stride: object = s.pair(1, 3)
    h, w = _plane(s, kernel, _two(dilation), _two(padding))  # type: ignore[arg-type]
    if s.boolean():
        padding = s.choice(("same", "valid", padding))
        stride = 1 if padding == "same" else stride
        if padding == "valid":
            h, w = h + 6, w + 6
    bias = s.normal(o) if s.boolean() else None
    inputs = (s.normal(s.samples(), c, h, w), s.normal(o, c // groups, *kernel), bias)
    return Case(inputs, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups})


def conv2d_depthwise(s: Source) -> Case:
    c, multiplier = s.integer(1, 9), s.choice((1, 1, 2))
    kernel = s.integer(1, 5), s.integer(1, 5)
    padding, stride = s.pair(0, 2), s.pair(1, 3)
    h, w = _plane(s, kernel, (1, 1), _two(padding))
    inputs = (s.normal(s.samples(), c, h, w), s.normal(c * multiplier, 1, *kernel), s.normal(c * multiplier))
    return Case(inputs, {"stride": stride, "padding": padding, "groups": c})


def conv2d_wide(s: Source) -> Case:
    """Enough channels to fill vector registers and blocks, with a remainder."""
    c, o, k = s.choice((16, 17, 33)), s.choice((16, 31, 65)), s.choice((1, 3))
    h, w = s.integer(k, 8), s.integer(k, 8)
    return Case(
        (s.normal(s.samples(), c, h, w), s.normal(o, c, k, k), s.normal(o)),
        {"padding": k // 2, "stride": s.integer(1, 2)},
    )


def conv2d_unbatched(s: Source) -> Case:
    return Case((s.normal(2, 5, 6), s.normal(3, 2, 3, 2), s.normal(3)), {"padding": s.integer(0, 1)})


def conv_transpose2d(s: Source) -> Case:
    groups = s.choice((1, 1, 2))
    c, o = groups * s.integer(1, 3), s.integer(1, 3)
    kernel, stride, dilation = (s.integer(2, 4), s.integer(2, 4)), s.pair(1, 3), s.pair(1, 2)
    output_padding = tuple(
        min(s.integer(0, 2), max(a, b) - 1) for a, b in zip(_two(stride), _two(dilation), strict=True)
    )
    inputs = (
        s.normal(s.samples(), c, s.integer(2, 5), s.integer(2, 5)),
        s.normal(c, o, *kernel),
        s.choice((None, s.normal(o * groups))),
    )
    options = {
        "stride": stride,
        "padding": s.pair(0, 1),
        "output_padding": output_padding,
        "groups": groups,
        "dilation": dilation,
    }
    return Case(inputs, options)


def unfold(s: Source) -> Case:
    kernel, dilation, padding = (s.integer(1, 3), s.integer(1, 3)), s.pair(1, 2), s.pair(0, 2)
    h, w = _plane(s, kernel, _two(dilation), _two(padding))
    options = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": s.pair(1, 3)}
    return Case((s.normal(s.samples(), s.integer(1, 3), h, w),), options)


def fold(s: Source) -> Case:
    kernel, dilation, padding, stride = (
        (s.integer(1, 3), s.integer(1, 3)),
        (s.integer(1, 2),) * 2,
        (s.integer(0, 2),) * 2,
        (s.integer(1, 3),) * 2,
    )
    h, w = _plane(s, kernel, dilation, padding)
    oh, ow = (
        (n + 2 * p - d * (k - 1) - 1) // t + 1
        for n, p, d, k, t in zip((h, w), padding, dilation, kernel, stride, strict=True)
    )
    columns = s.normal(s.samples(), s.integer(1, 3) * kernel[0] * kernel[1], oh * ow)
    return Case(
        (columns,),
        {"output_size": (h, w), "kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride},
    )


def _pool(s: Source, dilated: bool) -> tuple[tuple[int, int], dict[str, object]]:
    kernel = s.integer(1, 4), s.integer(1, 4)
    dilation = (s.integer(1, 2), s.integer(1, 2)) if dilated else (1, 1)
    padding = s.integer(0, kernel[0] // 2), s.integer(0, kernel[1] // 2)
    h, w = _plane(s, kernel, dilation, padding)
    options: dict[str, object] = {
        "kernel_size": kernel,
        "stride": s.choice((None, (s.integer(1, 3), s.integer(1, 3)))),
        "padding": padding,
        "ceil_mode": s.boolean(),
    }
    if dilated:
        options["dilation"] = dilation
    return (h, w), options


def max_pool2d(s: Source) -> Case:
    plane, options = _pool(s, dilated=True)
    return Case((s.distinct(s.samples(), s.integer(1, 4), *plane),), options)


def max_pool2d_ties(s: Source) -> Case:
    plane, options = _pool(s, dilated=True)
    return Case((s.ties(s.samples(), s.integer(1, 4), *plane),), {**options, "return_indices": True}, smooth=False)


def avg_pool2d(s: Source) -> Case:
    plane, options = _pool(s, dilated=False)
    options |= {"count_include_pad": s.boolean(), "divisor_override": s.choice((None, None, s.integer(1, 5)))}
    return Case((s.normal(s.samples(), s.integer(1, 4), *plane),), options)


def lp_pool2d(s: Source) -> Case:
    options = {
        "norm_type": s.choice((1.0, 2.0, 3.0)),
        "kernel_size": (2, 3),
        "stride": s.choice((None, 1)),
        "ceil_mode": s.boolean(),
    }
    return Case((s.positive(s.samples(), 2, s.integer(4, 7), s.integer(4, 7)),), options)


def adaptive_avg_pool2d(s: Source) -> Case:
    size = s.choice((1, (s.integer(1, 5), s.integer(1, 5)), (None, 2), (3, None)))
    return Case((s.normal(s.samples(), s.integer(1, 4), s.integer(1, 8), s.integer(2, 8)),), {"output_size": size})


def adaptive_max_pool2d(s: Source) -> Case:
    options = {"output_size": s.choice((1, (s.integer(1, 4), s.integer(1, 4)))), "return_indices": True}
    return Case((s.distinct(s.samples(), s.integer(1, 4), s.integer(1, 8), s.integer(1, 8)),), options)


def max_unpool2d(s: Source) -> Case:
    """Indices as max_pool2d(2) returns them: one in each 2x2 window."""
    n, c, h, w = s.samples(), s.integer(1, 3), s.integer(1, 3), s.integer(1, 3)
    rows = 2 * np.arange(h)[:, None] + s.rng.integers(0, 2, (n, c, h, w))
    columns = 2 * np.arange(w) + s.rng.integers(0, 2, (n, c, h, w))
    return Case((s.normal(n, c, h, w), rows * (2 * w) + columns), {"kernel_size": 2, "output_size": (2 * h, 2 * w)})


def interpolate_nearest(s: Source) -> Case:
    return Case(
        (s.normal(s.samples(), s.integer(1, 3), s.integer(1, 6), s.integer(1, 6)),), {**_target(s), "mode": "nearest"}
    )


def interpolate_bilinear(s: Source) -> Case:
    options = {**_target(s), "mode": "bilinear", "align_corners": s.choice((None, False, True))}
    return Case((s.normal(s.samples(), s.integer(1, 3), s.integer(1, 6), s.integer(1, 6)),), options)


def _target(s: Source) -> dict[str, object]:
    if s.boolean():
        return {"size": (s.integer(1, 9), s.integer(1, 9))}
    return {"scale_factor": s.choice((1.0, 2, 1.5, (2.5, 1.7), 3))}


def pixel_shuffle(s: Source) -> Case:
    r = s.integer(1, 3)
    return Case(
        (s.normal(s.samples(), r * r * s.integer(1, 2), s.integer(1, 4), s.integer(1, 4)),), {"upscale_factor": r}
    )


def pad(s: Source) -> Case:
    mode = s.choice(("constant", "reflect", "replicate", "circular"))
    options: dict[str, object] = {"pad": tuple(s.integer(0, 2) for _ in range(4)), "mode": mode}
    if mode == "constant":
        options["value"] = s.choice((0.0, 1.5))
    return Case((s.normal(s.samples(), 2, s.integer(3, 5), s.integer(3, 5)),), options)


ROWS = [
    Op("conv2d", conv2d, "nn.functional.conv2d"),
    Op("conv2d_depthwise", conv2d_depthwise, "nn.functional.conv2d"),
    Op("conv2d_wide", conv2d_wide, "nn.functional.conv2d"),
    Op("conv2d_unbatched", conv2d_unbatched, "nn.functional.conv2d", empty=False),
    Op("conv_transpose2d", conv_transpose2d, "nn.functional.conv_transpose2d"),
    Op("unfold", unfold, "nn.functional.unfold"),
    Op("fold", fold, "nn.functional.fold"),
    Op("max_pool2d", max_pool2d, "nn.functional.max_pool2d"),
    Op("max_pool2d_ties", max_pool2d_ties, "nn.functional.max_pool2d"),
    Op("avg_pool2d", avg_pool2d, "nn.functional.avg_pool2d"),
    Op("lp_pool2d", lp_pool2d, "nn.functional.lp_pool2d"),
    Op("adaptive_avg_pool2d", adaptive_avg_pool2d, "nn.functional.adaptive_avg_pool2d"),
    Op("adaptive_max_pool2d", adaptive_max_pool2d, "nn.functional.adaptive_max_pool2d"),
    Op("max_unpool2d", max_unpool2d, "nn.functional.max_unpool2d", empty=False),
    Op("interpolate_nearest", interpolate_nearest, "nn.functional.interpolate"),
    Op("interpolate_bilinear", interpolate_bilinear, "nn.functional.interpolate"),
    Op("pixel_shuffle", pixel_shuffle, "nn.functional.pixel_shuffle", empty=False),  # PyTorch fails on a batch of 0
    Op("pad", pad, "nn.functional.pad", empty=False),
]
