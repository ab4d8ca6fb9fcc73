"""Operations that change the size or the arrangement of images."""

from __future__ import annotations

from typing import Any

from minicnn_kernels.resampling import bilinear_table, nearest_indices

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...ops.operands import as_tensor
from ...ops.resize import Resize
from .checks import floating


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize images.

    Output pixel i lies at input coordinate ``(i + 1/2) * H/OH - 1/2``, or at
    ``i * (H - 1)/(OH - 1)`` with ``align_corners``. "bilinear" mixes the four pixels around that
    point, "nearest" takes the pixel ``floor(i * H/OH)``.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    size : int or (int, int), optional
        OH and OW.
    scale_factor : float or (float, float), optional
        Instead of ``size``: ``OH = floor(H * scale_factor)``; it is then also used for the coordinates.
    mode : {"nearest", "bilinear"}
    align_corners : bool, optional
        For "bilinear" alone; default False.
    recompute_scale_factor : bool, optional
        Use H/OH for the coordinates even if ``scale_factor`` is given.
    antialias : bool, default False
        Left out here.

    Returns
    -------
    Tensor (N, C, OH, OW)

    Raises
    ------
    ShapeError, ValueError

    References
    ----------
    Gonzalez & Woods, *Digital image processing*, section 2.4.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> x = minicnn.tensor([[[[0.0, 4.0]]]])
    >>> F.interpolate(x, scale_factor=2)
    tensor([[[[0., 0., 4., 4.],
              [0., 0., 4., 4.]]]])
    >>> F.interpolate(x, size=(1, 4), mode="bilinear")
    tensor([[[[0., 1., 3., 4.]]]])
    """
    x = floating("interpolate", input)
    if x.ndim != 4:
        raise ShapeError(
            f"interpolate: expected an input of shape (N, C, H, W); got {tuple(x.shape)}. Fix: x.unsqueeze(0)"
        )
    if mode not in ("nearest", "bilinear"):
        raise ValueError(
            f"interpolate: mode must be 'nearest' or 'bilinear'; got {mode!r} (PyTorch's other modes are left out here)"
        )
    if antialias:
        raise ValueError("interpolate: antialias is left out here. Fix: avg_pool2d before shrinking")
    if mode == "nearest" and align_corners is not None:
        raise ValueError("interpolate: align_corners is for mode='bilinear' alone. Fix: leave it out")
    out, scales = _output_size(x, size, scale_factor, bool(recompute_scale_factor))
    if mode == "nearest":
        kind = "resize_nearest"
        tables = [nearest_indices(n, o, s) for n, o, s in zip(x.shape[2:], out, scales, strict=True)]
    else:
        kind = "resize_bilinear"
        tables = [
            bilinear_table(n, o, bool(align_corners), s)  # type: ignore[misc]
            for n, o, s in zip(x.shape[2:], out, scales, strict=True)
        ]
    return Resize(kind, *tables)(x)


def _both(value: Any, name: str) -> tuple[Any, Any]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ShapeError(f"interpolate: {name} must be one number or a pair (height, width); got {value!r}")
    return values


def _output_size(x: Tensor, size: Any, scale_factor: Any, recompute: bool) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Output height and width, and the scale factors that decide the coordinates (None: the ratio of the sizes)."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs scale_factor, not size")
        out: tuple[int, ...] = tuple(int(n) for n in _both(size, "size"))
        scales: tuple[Any, ...] = (None, None)
    else:
        scales = tuple(float(s) for s in _both(scale_factor, "scale_factor"))
        out = tuple(int(n * s) for n, s in zip(x.shape[2:], scales, strict=True))
        scales = (None, None) if recompute else scales
    if min(out) < 1 or 0 in x.shape[1:]:
        raise ShapeError(
            f"interpolate: an image of {tuple(x.shape[2:])} cannot become one of {out}: sizes must be at least 1"
        )
    return out, scales


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Turn channels into pixels: (*, C*r*r, H, W) -> (*, C, H*r, W*r).

    ``y[c, h*r + i, w*r + j] = x[c*r*r + i*r + j, h, w]``

    Parameters
    ----------
    input : Tensor (*, C*r*r, H, W)
    upscale_factor : int
        r.

    Returns
    -------
    Tensor (*, C, H*r, W*r)

    Raises
    ------
    ShapeError

    References
    ----------
    Shi et al., *Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network*, 2016.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.pixel_shuffle(minicnn.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    x, r = _planes("pixel_shuffle", input), _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    *batch, c, h, w = x.shape
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle: the {c} channels of {tuple(x.shape)} must be divisible by upscale_factor^2 = {r * r}"
        )
    y = x.reshape(-1, c // (r * r), r, r, h, w).permute(0, 1, 4, 2, 5, 3)  # (N, C, H, r, W, r)
    return y.reshape(*batch, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Turn pixels into channels, the inverse of :func:`pixel_shuffle`: (*, C, H*r, W*r) -> (*, C*r*r, H, W).

    Parameters
    ----------
    input : Tensor (*, C, H*r, W*r)
    downscale_factor : int
        r.

    Returns
    -------
    Tensor (*, C*r*r, H, W)

    Raises
    ------
    ShapeError

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.pixel_unshuffle(minicnn.arange(4.0).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    x, r = _planes("pixel_unshuffle", input), _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    *batch, c, h, w = x.shape
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle: height and width of {tuple(x.shape)} must be divisible by downscale_factor = {r}"
        )
    y = x.reshape(-1, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4)  # (N, C, r, r, H, W)
    return y.reshape(*batch, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave the channels of groups, so that the next grouped convolution sees all of them.

    Channel ``g*(C/G) + i`` moves to ``i*G + g``.

    Parameters
    ----------
    input : Tensor (N, C, *)
    groups : int
        G, a divisor of C.

    Returns
    -------
    Tensor (N, C, *)

    Raises
    ------
    ShapeError

    References
    ----------
    Zhang et al., *ShuffleNet*, 2018.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.channel_shuffle(minicnn.arange(6.0).reshape(1, 6, 1, 1), 2).flatten()
    tensor([0., 3., 1., 4., 2., 5.])
    """
    x, g = as_tensor(input, "input", "channel_shuffle"), _factor("channel_shuffle", "groups", groups)
    if x.ndim < 3:
        raise ShapeError(f"channel_shuffle: expected an input of shape (N, C, *); got {tuple(x.shape)}")
    n, c = x.shape[:2]
    if c % g:
        raise ShapeError(f"channel_shuffle: the {c} channels of {tuple(x.shape)} must be divisible by groups={g}")
    return x.reshape(n, g, c // g, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


def _planes(operation: str, value: Any) -> Tensor:
    x = as_tensor(value, "input", operation)
    if x.ndim < 3:
        raise ShapeError(f"{operation}: expected an input of shape (*, C, H, W); got {tuple(x.shape)}")
    return x


def _factor(operation: str, name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{operation}: {name} must be a positive int; got {value!r}")
    return value
