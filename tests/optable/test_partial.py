"""A gradient asked for alone is the one that comes with all others; what is not asked for is left out of the pass."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn

from .case import Case, Op
from .run import arguments, direction
from .test_optable import ROWS, check


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_one_gradient_alone(op: Op) -> None:
    def body(case: Case) -> None:
        tensors = [
            minicnn.from_numpy(v) if isinstance(v, np.ndarray) else v for v in arguments(case, "float64", np.copy)
        ]
        leaves = [
            t.requires_grad_()
            for i, t in enumerate(tensors)
            if isinstance(t, minicnn.Tensor) and t.is_floating_point() and i not in case.fixed
        ]
        with minicnn.use_backend("numpy"):
            result = op.resolve(minicnn)(*tensors, **case.options)
            y = result[0] if isinstance(result, tuple) else result
            seed = minicnn.from_numpy(direction(y.shape, np.float64))
            options = {"retain_graph": True, "allow_unused": True}
            together = minicnn.autograd.grad(y, leaves, seed, **options)
            for leaf, expected in zip(leaves, together, strict=True):
                (alone,) = minicnn.autograd.grad(y, leaf, seed, **options)
                assert (alone is None) == (expected is None)
                if alone is not None:
                    np.testing.assert_array_equal(alone.numpy(), expected.numpy())

    check(op, 5, body)
