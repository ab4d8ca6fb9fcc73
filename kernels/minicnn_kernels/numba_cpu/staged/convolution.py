"""Convolutions as stages: direct, by Winograd's algorithm, depthwise. Weights are packed or transformed beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...arrays import Array
from ...conv_algorithms import choose
from ...epilogue import NONE, Epilogue
from ...geometry import Window2d
from ...memory import empty
from ...stages import Distance, Laid, Stages, Within, contiguous_numbers, staged
from ...threads import available_threads
from .. import blocks
from ..addresses import _pointer as pointer
from ..blocks import task as product_task
from ..conv import _depthwise
from ..depthwise import _correlate_row as correlate_row
from ..depthwise import _plan as depthwise_plan
from ..depthwise import _windows as depthwise_windows
from ..jit import serial
from ..layout import flat
from ..product import TASKS, _Cut, _cut, _neutral
from ..product import _add_parts_of_rows as add_parts_of_rows
from ..product import _pack_panel as pack_panel
from ..vector.tile import tile_columns
from ..vector.winograd import PLANES
from ..winograd.convolution import Memory
from ..winograd.convolution import _block as winograd_block
from ..winograd.cut import NUMBER, Cut, _kind, cut_convolution, record
from ..winograd.filters import filters_of_panel
from .launch import integers, loop, numbers
from .planes import bounds_as_words, padded

PLAN, FLOAT = blocks.PLAN, np.dtype(np.float32)


@serial
def _table(address, rows):  # type: ignore[no-untyped-def]
    return integers(address, rows * 4).reshape(rows, 4)


@loop
def _pack(task, worker, words):  # type: ignore[no-untyped-def]
    """One panel of B."""
    at = integers(words, 6)
    packed, b, panels = numbers(at[0], 1), numbers(at[1], 1), at[2]
    pack_panel(packed, b, task, panels, _table(at[3], at[4]), integers(at[5], PLAN))


@loop
def _multiply(task, worker, words):  # type: ignore[no-untyped-def]
    """One task of a product."""
    at = integers(words, 12)
    c, a, b, scratch = numbers(at[0], 1), numbers(at[1], 1), numbers(at[2], 1), numbers(at[3], 1)
    product_task(task, c, a, b, scratch, at[4:9], _table(at[9], at[10]), integers(at[11], PLAN))


@loop
def _add(task, worker, words):  # type: ignore[no-untyped-def]
    """Some rows of the sum of a product's parts."""
    at = integers(words, 14)
    c, parts = numbers(at[0], 1), numbers(at[1], 1)
    start, split, m, n, chunk = at[2], at[3], at[4], at[5], at[6]
    first = task * chunk
    add_parts_of_rows(c, parts, start, first, min(first + chunk, m), split, m * n, n, at[7:10], at[10:14])


def epilogue_words(y: Laid, columns: int, bias: Array | None, epilogue: Epilogue) -> tuple[Any, ...]:
    """The five words of an epilogue, as ``product.epilogue_words``."""
    if bias is None and epilogue is NONE:
        return 0, 0, 0, 0, 0
    scale = _neutral(1, columns, FLOAT) if epilogue.scale is None else epilogue.scale
    shift = _neutral(0, columns, FLOAT) if bias is None else bias
    residual: Any = epilogue.residual
    return scale, shift, 0 if residual is None else Distance(residual, y), *bounds_as_words(epilogue)


def product(
    stages: Stages,
    y: Laid,
    a: Laid,
    b: Array,
    *,
    n: int,
    a_sizes: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_strides: tuple[int, ...],
    c_strides: tuple[int, ...],
    bias: Array | None,
    epilogue: Epilogue,
    starts: tuple[tuple[int, ...], ...] = ((0, 0, 0, 0),),
) -> None:
    """As ``product.product``, with B packed beforehand."""
    plain = bias is None and epilogue is NONE
    cut: _Cut = _cut(n, a_sizes, a_strides, b_strides, c_strides, len(starts), 4, plain)
    plan = cut.plan.copy()
    plan[blocks.PACKED] = 1
    table = np.array(starts, np.int64)
    packed = empty((len(starts) * cut.panels * cut.k * tile_columns(4),), np.float32)
    stages.prepare(_pack(), len(starts) * cut.panels, packed, b, cut.panels, table, len(table), plan)
    scratch = stages.scratch(available_threads() * cut.scratch * 4)
    if cut.split > 1:
        target = stages.temporary(1, 1, 1, cut.split * cut.m * n)
        places = table.copy()
        places[0, 0] = 0
        stages.run(_multiply(), cut.tasks, target, a, packed, scratch, 0, 0, 0, 0, 0, places, len(places), plan)
        chunk = max(1, min(128, -(-cut.m // TASKS)))
        sizes = starts[0][0], cut.split, cut.m, n, chunk, *a_sizes[:3], *c_strides
        stages.run(_add(), -(-cut.m // chunk), y, target, *sizes)
        return
    words = epilogue_words(y, max(start[3] for start in starts) + n, bias, epilogue)
    stages.run(_multiply(), cut.tasks, y, a, packed, scratch, *words, table, len(table), plan)


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


_MEMORY, _CUT = np.empty(0, _kind(Memory._fields)), np.empty(0, _kind(Cut._fields))
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
    u = empty((cut.panels * PLANES * cut.u_plane // NUMBER,), np.float32)
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
    algorithm, _ = choose("forward", x.shape, w.shape, window, groups, w.dtype)
    if algorithm == "winograd":
        _winograd(stages, y, x, w, bias, window, epilogue)
    elif algorithm != "direct":
        return False
    elif not _depthwise(w.shape[0], w.shape[1], groups):
        _direct(stages, y, x, w, bias, window, groups, epilogue)
    elif residual is None and y.whole:
        _all_channels(stages, y, x, w, bias, window, epilogue)
    else:
        return False
    return True
