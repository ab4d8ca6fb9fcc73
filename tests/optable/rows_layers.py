"""Rows: products, normalisation, activations, losses."""

from __future__ import annotations

import numpy as np

from .case import Case, Op, Source


def linear(s: Source) -> Case:
    lead = s.choice(((), (s.integer(1, 3),))) if s.batch is None else ()
    inputs, outputs = s.integer(1, 40), s.integer(1, 20)
    bias = s.choice((None, s.normal(outputs)))
    return Case((s.normal(*lead, s.samples(), inputs), s.normal(outputs, inputs), bias))


def matmul(s: Source) -> Case:
    m, k, n = s.integer(1, 40), s.integer(1, 40), s.integer(1, 40)
    left, right = s.choice((((), ()), ((2,), ()), ((), (3,)), ((2, 1), (3,)), ((2,), (2,))))
    return Case((s.normal(*left, m, k), s.normal(*right, k, n)))


def matmul_vectors(s: Source) -> Case:
    k = s.integer(1, 9)
    return Case(s.choice(((s.normal(k), s.normal(k)), (s.normal(3, k), s.normal(k)), (s.normal(k), s.normal(2, k, 4)))))


def batch_norm_training(s: Source) -> Case:
    c = s.integer(1, 9)
    shape = s.choice(((4, c), (3, c, 5), (2, c, 3, 4))) if s.batch is None else (0, c, 3, 4)
    weight, bias = s.choice(((None, None), (s.normal(c), s.normal(c))))
    return Case((s.normal(*shape), None, None, weight, bias), {"training": True, "eps": s.choice((1e-5, 1e-3))})


def batch_norm_evaluation(s: Source) -> Case:
    c = s.integer(1, 9)
    shape = s.choice(((s.samples(), c), (s.samples(), c, 3, 4)))
    return Case(
        (s.normal(*shape), s.normal(c), s.positive(c), s.normal(c), s.normal(c)), {"training": False}, fixed=(1, 2)
    )


def group_norm(s: Source) -> Case:
    groups = s.integer(1, 3)
    c = groups * s.integer(1, 3)
    shape = s.choice(((s.samples(), c, 3), (s.samples(), c, 2, 4)))
    weight, bias = s.choice(((None, None), (s.normal(c), s.normal(c))))
    return (
        Case((s.normal(*shape),), {"num_groups": groups})
        if weight is None
        else Case((s.normal(*shape), groups, weight, bias))
    )


def layer_norm(s: Source) -> Case:
    tail = s.choice(((5,), (3, 4)))
    weight, bias = s.choice(((None, None), (s.normal(*tail), s.normal(*tail)), (s.normal(*tail), None)))
    return Case((s.normal(s.samples(), 2, *tail), tail, weight, bias))


def instance_norm(s: Source) -> Case:
    c = s.integer(1, 4)
    return Case((s.normal(s.samples(), c, 3, 4), None, None, s.normal(c), s.normal(c)))


def local_response_norm(s: Source) -> Case:
    options = {
        "size": s.integer(1, 6),
        "alpha": s.choice((1e-4, 0.3)),
        "beta": s.choice((0.75, 0.5)),
        "k": s.choice((1.0, 2.0)),
    }
    return Case((s.normal(s.samples(), s.integer(1, 7), 3, 4),), options)


def _activation(**choices: tuple[object, ...]):
    def draw(s: Source) -> Case:
        shape = s.choice(((s.samples(), 7), (s.samples(), 3, 4, 5)))
        return Case((s.distinct(*shape) * 8,), {name: s.choice(options) for name, options in choices.items()})

    return draw


def _activation_ties(s: Source) -> Case:
    """Exactly at the kinks: -3, 0, 3 and 6 are among the values."""
    return Case((s.ties(s.samples(), 3, 4, 5) * 3 + s.choice((0.0, 3.0)),), smooth=False)


def _activation_without_end(nan: bool):
    """Infinities and, where PyTorch's own gradient does not depend on the number of elements, NaN."""

    def draw(s: Source) -> Case:
        x = s.distinct(s.samples(), 3, 4, 5) * 8
        x.ravel()[::3] = s.choice((np.inf, -np.inf, np.nan) if nan else (np.inf, -np.inf))
        return Case((x,), smooth=False)

    return draw


def prelu(s: Source) -> Case:
    c = s.integer(1, 5)
    return Case((s.distinct(s.samples(), c, 3, 4), s.normal(s.choice((1, c)))))


def softmax(s: Source) -> Case:
    shape = s.choice(((s.samples(), 7), (s.samples(), 5, 3), (s.samples(), 4, 3, 2)))
    return Case((s.normal(*shape) * 5,), {"dim": s.choice((1, -1))})


def cross_entropy(s: Source) -> Case:
    classes = s.integer(1, 12)
    tail = s.choice(((), (3,), (2, 3)))
    n = s.samples()
    target = s.labels(classes, n, *tail)
    options: dict[str, object] = {
        "reduction": s.choice(("mean", "sum", "none")),
        "label_smoothing": s.choice((0.0, 0.1)),
    }
    if s.boolean() and target.size > 1:
        target.flat[0] = options["ignore_index"] = s.choice((-100, 0))
        target.flat[-1] = classes - 1
    weight = s.choice((None, s.positive(classes)))
    return Case((s.normal(n, classes, *tail) * 3, target, weight), options, fixed=(2,))


def cross_entropy_soft(s: Source) -> Case:
    classes = s.integer(1, 6)
    tail = s.choice(((), (2, 3)))
    target = s.positive(s.samples(), classes, *tail)
    target /= target.sum(axis=1, keepdims=True)
    options = {"reduction": s.choice(("mean", "sum", "none")), "label_smoothing": s.choice((0.0, 0.1))}
    return Case((s.normal(*target.shape), target, s.choice((None, s.positive(classes)))), options, fixed=(2,))


def nll_loss(s: Source) -> Case:
    classes, n, tail = s.integer(1, 6), s.samples(), s.choice(((), (2, 3)))
    target = s.labels(classes, n, *tail)
    weight = s.choice((None, s.positive(classes)))
    return Case(
        (s.normal(n, classes, *tail), target, weight), {"reduction": s.choice(("mean", "sum", "none"))}, fixed=(2,)
    )


def _pairwise(**choices: tuple[object, ...]):
    def draw(s: Source) -> Case:
        shape = (s.samples(), s.integer(1, 5))
        a = s.distinct(*shape)
        options = {"reduction": s.choice(("mean", "sum", "none")), **{name: s.choice(o) for name, o in choices.items()}}
        return Case((a * 20, a[::-1].copy() + 0.123), options)

    return draw


def binary_cross_entropy(s: Source) -> Case:
    shape = (s.samples(), s.integer(1, 5))
    weight = s.choice((None, s.positive(*shape)))
    return Case(
        (s.unit(*shape), s.unit(*shape), weight), {"reduction": s.choice(("mean", "sum", "none"))}, fixed=(1, 2)
    )


def binary_cross_entropy_with_logits(s: Source) -> Case:
    shape = (s.samples(), s.integer(1, 5))
    options = {"reduction": s.choice(("mean", "sum", "none"))}
    return Case((s.normal(*shape) * 4, s.unit(*shape), s.choice((None, s.positive(*shape)))), options, fixed=(1, 2))


_SIMPLE = {
    "relu": {},
    "relu6": {},
    "leaky_relu": {"negative_slope": (0.01, 0.3)},
    "elu": {"alpha": (1.0, 0.5)},
    "silu": {},
    "hardswish": {},
    "hardsigmoid": {},
    "sigmoid": {},
    "tanh": {},
}

_NAN = ("relu", "leaky_relu", "silu", "hardsigmoid", "sigmoid", "tanh")
_ROUNDED_BY_TORCH = {"hardsigmoid": 1e-7}  # PyTorch's gradient uses a 1/6 of single precision

ROWS = [
    Op("linear", linear, "nn.functional.linear"),
    Op("matmul", matmul, "matmul", empty=False),
    Op("matmul_vectors", matmul_vectors, "matmul", empty=False),
    Op("batch_norm_training", batch_norm_training, "nn.functional.batch_norm", empty=False),
    Op("batch_norm_evaluation", batch_norm_evaluation, "nn.functional.batch_norm"),
    Op("group_norm", group_norm, "nn.functional.group_norm"),
    Op("layer_norm", layer_norm, "nn.functional.layer_norm"),
    Op("instance_norm", instance_norm, "nn.functional.instance_norm", empty=False),
    Op("local_response_norm", local_response_norm, "nn.functional.local_response_norm", empty=False),
    *(
        Op(f"{name}{suffix}", draw, f"nn.functional.{name}", float64_tolerance=_ROUNDED_BY_TORCH.get(name, 1e-9))
        for name, options in _SIMPLE.items()
        for suffix, draw in (("", _activation(**options)), ("_kinks", _activation_ties))
    ),
    *(
        Op(
            f"{name}_without_end",
            _activation_without_end(name in _NAN),
            f"nn.functional.{name}",
            float64_tolerance=1e-7,
        )
        for name in _SIMPLE
    ),
    Op("prelu", prelu, "nn.functional.prelu"),
    Op("softmax", softmax, "nn.functional.softmax"),
    Op("log_softmax", softmax, "nn.functional.log_softmax"),
    Op("cross_entropy", cross_entropy, "nn.functional.cross_entropy", empty=False),
    Op("cross_entropy_soft", cross_entropy_soft, "nn.functional.cross_entropy", empty=False),
    Op("nll_loss", nll_loss, "nn.functional.nll_loss", empty=False),
    Op("mse_loss", _pairwise(), "nn.functional.mse_loss", empty=False),
    Op("l1_loss", _pairwise(), "nn.functional.l1_loss", empty=False),
    Op("smooth_l1_loss", _pairwise(beta=(1.0, 0.3)), "nn.functional.smooth_l1_loss", empty=False),
    Op("huber_loss", _pairwise(delta=(1.0, 0.3)), "nn.functional.huber_loss", empty=False),
    Op("binary_cross_entropy", binary_cross_entropy, "nn.functional.binary_cross_entropy", empty=False),
    Op(
        "binary_cross_entropy_with_logits",
        binary_cross_entropy_with_logits,
        "nn.functional.binary_cross_entropy_with_logits",
        empty=False,
    ),
]
