"""Convolutions as stages: direct, by Winograd's algorithm, depthwise. Weights are packed or transformed beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...arrays import Array
from ...conv_algorithms import active_conv_algorithm, choose
from ...epilogue import NONE, Epilogue
from ...geometry import Window2d
from ...stages import Laid, Stages, Within, contiguous_numbers, staged
from ...threads import available_threads
from ..addresses import pointer
from ..conv import is_depthwise
from ..depthwise import correlate_row, depthwise_plan, depthwise_windows
from ..layout import flat
from ..vector.winograd import PLANES, SIDE
from ..winograd.convolution import Memory, winograd_block
from ..winograd.cut import NUMBER, Cut, cut_convolution, record, record_type
from ..winograd.filters import filters_of_panel
from .launch import integers, loop, numbers
from .planes import padded
from .products import epilogue_words, product


def _direct(
    stages: Stages, y: Laid, x: Laid, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue
) -> None:
    n, o, cg, (kh, kw), (oh, ow) = x.shape[0], w.shape[0], w.shape[1], window.kernel_size, window.output_size
    og = o // groups
    xp = padded(stages, x, window.padding)
    (sn, _, sh, sw), (yn, _, yh, yw) = xp.strides, y.strides
    memory, (wo, wc, wh, ww) = flat(w)
    product(
        stages,
        y,
        xp,
        memory,
        n=og,
        a_sizes=(n, oh, ow, kh, kw, cg),
        a_strides=(
            *(sn, window.stride[0] * sh, window.stride[1] * sw),
            *(window.dilation[0] * sh, window.dilation[1] * sw, 1),
        ),
        b_strides=(wh, ww, wc, wo),
        c_strides=(yn, yh, yw, 1),
        bias=bias,
        epilogue=epilogue,
        starts=tuple((g * og, g * cg, g * og * wo, g * og) for g in range(groups)),
    )


TILES = 8  # with fewer, and more weights than SMALL, reading U takes longer than the multiplications that it saves
SMALL = 64 * 1024
_MEMORY, _CUT = np.empty(0, record_type(Memory._fields)), np.empty(0, record_type(Cut._fields))
_FIELDS = len(Memory._fields)


@loop
def _transform_filters(task, worker, words):  # type: ignore[no-untyped-def]
    """Winograd's U for one panel of output channels."""
    at = integers(words + _FIELDS * 8, 3)
    memory = carray(pointer(np.uintp(words), _MEMORY), (1,))
    cut = carray(pointer(np.uintp(at[0]), _CUT), (1,))
    u = memory[0].u + task * PLANES * cut[0].u_plane
    filters_of_panel(u, numbers(at[1], at[2]), task, memory[0], cut[0])


@loop
def _transform_and_multiply(task, worker, words):  # type: ignore[no-untyped-def]
    """A block of tiles, some panels of output channels."""
    at = integers(words + _FIELDS * 8, 9)
    memory = carray(pointer(np.uintp(words), _MEMORY), (1,))
    cut = carray(pointer(np.uintp(at[0]), _CUT), (1,))
    scratch = memory[0].scratch + worker * memory[0].scratch_size
    winograd_block(task, scratch, numbers(at[1], at[2]), memory[0], cut[0])


def _winograd(
    stages: Stages, y: Laid, x: Laid, w: Array, bias: Array | None, window: Window2d, epilogue: Epilogue
) -> None:
    o, c = w.shape[:2]
    x = padded(stages, x)
    sizes = window, window.input_size, window.output_size, window.padding
    steps = {"x_step": x.strides[3] * NUMBER, "y_step": y.strides[3] * NUMBER}
    cut = cut_convolution(x.shape[0], c, o, *sizes)._replace(own_filters=0, **steps)
    memory, (so, sc, sh, sw) = flat(w)
    u = stages.store(cut.panels * PLANES * cut.u_plane)
    zeros, table = np.zeros(cut.channels, np.float32), record(cut)
    tasks = -(-cut.tiles // cut.block) * -(-cut.panels // cut.panels_per_task)
    size = PLANES * (cut.v_plane + cut.m_plane)
    after = epilogue_words(y, o, bias, epilogue)
    place = 0 if bias is None and epilogue is NONE else Within(_FIELDS + 3)
    scratch = stages.scratch(available_threads() * size)
    fields: Any = Memory(x, u, y, zeros, place, scratch, size, so, sc, sh, sw, 0)  # type: ignore[arg-type]
    stages.prepare(
        _transform_filters(), cut.panels, *fields._replace(x=0, y=0, epilogue=0, scratch=0), table, memory, memory.size
    )
    stages.run(_transform_and_multiply(), tasks, *fields, table, memory, memory.size, *after)


@loop
def _depthwise_row(task, worker, words):  # type: ignore[no-untyped-def]
    """One row of results."""
    at = integers(words, 15)
    offsets, rows, columns = integers(at[5], 1), integers(at[6], 4), integers(at[7], 14)
    sizes = at[8], at[9], at[10], at[11], at[12], at[13], at[14]
    tables = offsets.reshape(1, 1), rows.reshape(1, 4), columns.reshape(1, 14)
    correlate_row(task, at[0], at[1], at[2], at[3], at[4], *tables, sizes)


def _all_channels(
    stages: Stages, y: Laid, x: Laid, w: Array, bias: Array | None, window: Window2d, epilogue: Epilogue
) -> None:
    """Depthwise; the scale is part of the weights."""
    plan = depthwise_plan(window, len(w), NUMBER, False)
    x = padded(stages, x, contiguous=True)
    windows = np.empty(w.size, np.float32)

    def prepare() -> None:
        scaled = w if epilogue.scale is None else w * epilogue.scale.reshape(-1, 1, 1, 1)
        windows[...] = depthwise_windows(scaled[:, 0], plan)

    stages.prepare_by(prepare)
    shift = np.zeros(len(w), np.float32) if bias is None else bias
    bounds = np.array((epilogue.low, epilogue.high), np.float32)
    tables = plan.offsets, plan.rows, plan.columns
    stages.run(_depthwise_row(), x.shape[0] * plan.sizes[0], y, x, windows, shift, bounds, *tables, *plan.sizes)


def _algorithm(images: int, x_shape: tuple[int, ...], w: Array, window: Window2d, groups: int) -> str:
    """As the kernel's; but Winograd's U, made beforehand, is larger than the weights and must be read from memory."""
    algorithm, _ = choose("forward", (images, *x_shape[1:]), w.shape, window, groups, w.dtype)
    if algorithm == "winograd" and active_conv_algorithm() == "auto":
        side = SIDE + 1 - window.kernel_size[0]
        tiles = x_shape[0] * -(-window.output_size[0] // side) * -(-window.output_size[1] // side)
        if tiles < TILES and w.size > SMALL:
            return "direct"
    return algorithm


@staged("conv2d.forward", "numba")
def conv2d_stages(
    stages: Stages,
    y: Laid,
    x: Any,
    w: Array,
    bias: Array | None,
    window: Window2d,
    groups: int,
    epilogue: Epilogue = NONE,
) -> bool:
    """As ``conv2d_forward``."""
    residual: Any = epilogue.residual
    if not isinstance(x, Laid) or not y.channels_last or not contiguous_numbers((bias, epilogue.scale)):
        return False
    if not isinstance(w, np.ndarray) or w.dtype != np.float32 or not np.may_share_memory(flat(w)[0], w):
        return False
    if residual is not None and (not isinstance(residual, Laid) or not residual.lies_like(y)):
        return False
    algorithm = _algorithm(stages.images, x.shape, w, window, groups)
    if algorithm == "winograd":
        _winograd(stages, y, x, w, bias, window, epilogue)
    elif algorithm != "direct":
        return False
    elif not is_depthwise(w.shape[0], w.shape[1], groups):
        _direct(stages, y, x, w, bias, window, groups, epilogue)
    elif residual is None and y.whole:
        _all_channels(stages, y, x, w, bias, window, epilogue)
    else:
        return False
    return True
