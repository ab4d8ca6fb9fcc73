"""Known mistakes are planted, and named: in kernels by their numbers, in gradients by backward's."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from minicnn_kernels import registry
from minicnn_kernels.cases import draw_case

import minicnn
from minicnn import explain, nn
from minicnn.core.gradcheck import GradcheckError
from minicnn.explain import gradient_autopsy
from minicnn.explain.mistakes import MISTAKES, Mistake, close, planted, remarks, results, right, suspects
from minicnn.nn import functional as F

KNOWN = [(operation, mistake) for operation, found in MISTAKES.items() for mistake in found if mistake.watches is None]


def named(pair: tuple[str, Mistake]) -> str:
    return f"{pair[0]}: {pair[1].name}"


@pytest.mark.parametrize("pair", KNOWN, ids=named)
def test_a_mistake_in_a_kernel_is_recognised(pair: tuple[str, Mistake]) -> None:
    """Among random cases there is one where the mistake shows, and there it is named."""
    operation, mistake = pair
    for seed in range(60):
        arguments = draw_case(operation, seed=seed)
        if any(type(a).__name__ == "Epilogue" for a in arguments):
            continue
        true = results(operation, right(operation), arguments)
        made = {known.name: made for known, made in planted(operation, arguments)}.get(mistake.name)
        if made is not None and not all(close(a, b) for a, b in zip(made, true, strict=True)):
            assert mistake.name in [known.name for known in suspects(operation, arguments, made)]
            return
    pytest.fail("no case lets this mistake show")


def test_what_is_right_is_not_suspected() -> None:
    for operation in MISTAKES:
        arguments = draw_case(operation, seed=3)
        assert suspects(operation, arguments, results(operation, right(operation), arguments)) == []


# ----------------------------------------------------------------- gradients


def leaf(*shape: int, seed: int = 0) -> minicnn.Tensor:
    return minicnn.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def conv(x, w, b):
    return F.conv2d(x, w, b, stride=2, padding=1)


def batch_norm(x, w, b):
    return F.batch_norm(x, None, None, w, b, training=True)


CONV = (conv, (leaf(2, 2, 6, 5), leaf(2, 2, 3, 3, seed=1), leaf(2, seed=2)))
NORM = (batch_norm, (leaf(3, 2, 2, 2), leaf(2, seed=1), leaf(2, seed=2)))
TARGET = minicnn.tensor([1, 0, 2])
TIES = minicnn.from_numpy(np.random.default_rng(0).integers(0, 2, (2, 1, 4, 4)).astype(float)).requires_grad_()
FUNCTIONS = {
    "conv2d.grad_input": CONV,
    "conv2d.grad_weight": CONV,
    "conv2d.grad_bias": CONV,
    "batch_norm.grad": NORM,
    "relu.grad": (F.relu, (leaf(3, 4, seed=5),)),
    "softmax.grad": (lambda x: F.softmax(x, 1), (leaf(3, 4),)),
    "cross_entropy.grad": (lambda x: F.cross_entropy(x, TARGET), (leaf(3, 4),)),
    "max_pool2d.grad_input": (lambda x: F.max_pool2d(x, 3, stride=2, padding=1), (leaf(2, 2, 6, 6),)),
    "avg_pool2d.grad_input": (lambda x: F.avg_pool2d(x, 3, stride=2, padding=1), (leaf(2, 2, 6, 6),)),
}
SHOWN = {
    "conv2d.grad_input": """
        the kernel is not flipped; the stride is forgotten; the padding is forgotten; the kernel is transposed
        the weight's input and output channels are transposed
        """,
    "conv2d.grad_weight": """
        the gradient of the kernel is flipped; the stride is forgotten; the padding is forgotten
        the sum over the batch is missing: only the last sample counts
        the mean over the batch is taken instead of the sum; the kernel's height and width are transposed
        """,
    "conv2d.grad_bias": """
        the mean over the batch is taken instead of the sum
        the mean over batch and positions is taken instead of the sum
        """,
    "batch_norm.grad": """
        mean and variance are taken as constants: both mean terms are missing; the weight is forgotten
        the term of the mean, grad_bias/m, is missing; the term of the variance, x_hat*grad_weight/m, is missing
        the sums are not divided by m; x is taken instead of x_hat
        """,
    "relu.grad": "the mask is taken of the gradient instead of the activation; the mask is missing",
    "softmax.grad": "only the diagonal of the Jacobian is used",
    "cross_entropy.grad": "the label is not subtracted: p alone; divided by the batch size",
    "max_pool2d.grad_input": """
        where windows overlap, the last one overwrites the others; the gradient goes to all places under the window
        """,
    "avg_pool2d.grad_input": "the stride is forgotten",
}


@pytest.mark.parametrize(
    ("operation", "name"),
    [(op, name.strip()) for op, text in SHOWN.items() for name in re.split("[;\n]", text) if name.strip()],
    ids=lambda text: text,
)
def test_a_mistake_in_backward_is_named(operation: str, name: str) -> None:
    function, inputs = FUNCTIONS[operation]
    (mistake,) = (known for known in MISTAKES[operation] if known.name == name)
    with registry.replaced({operation: partial(mistake.plant, right(operation))}):
        found = gradient_autopsy(function, inputs)
        with pytest.raises(GradcheckError, match="gradient_autopsy"):
            minicnn.autograd.gradcheck(function, inputs)
    assert not found.right
    assert f"{operation}: {name}. Right is: {mistake.remedy}" in found.mistakes
    assert f"likely mistake: {operation}: {name}" in str(found)
    assert gradient_autopsy(function, inputs).right


def test_the_gradient_of_all_equal_maxima() -> None:
    """Finite differences of one number at a time cannot tell: each of the maxima alone may receive the gradient."""

    class Everywhere(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = F.max_pool2d(x, 2)
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, grad_y):
            x, y = ctx.saved_tensors
            up = F.interpolate(y, scale_factor=2)
            return (x == up).double() * F.interpolate(grad_y, scale_factor=2)

    found = gradient_autopsy(Everywhere.apply, TIES, like=lambda x: F.max_pool2d(x, 2))
    assert [name.partition(".")[0] for name in found.mistakes] == ["max_pool2d"]
    assert "the gradient goes to all of several equal maxima" in str(found)


class ForgottenStride(minicnn.autograd.Function):
    """A convolution whose author wrote backward by hand."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return F.conv2d(x, w, stride=2)

    @staticmethod
    def backward(ctx, grad_y):
        x, w = ctx.saved_tensors
        right = minicnn.autograd.grad
        with minicnn.enable_grad():
            a, b = x.detach().requires_grad_(), w.detach().requires_grad_()
            grad_x, grad_w = right(F.conv2d(a, b, stride=2), (a, b), grad_y)
        return grad_x, grad_w.flip(2, 3)


def test_a_backward_of_ones_own() -> None:
    x, w = leaf(2, 2, 7, 7), leaf(3, 2, 3, 3, seed=1)
    alone = gradient_autopsy(ForgottenStride.apply, (x, w))
    assert [found.right for found in alone.inputs] == [True, False]
    assert alone.inputs[1].remarks == ["the result is turned round along dimension 2 and 3"]
    found = gradient_autopsy(ForgottenStride.apply, (x, w), like=lambda x, w: F.conv2d(x, w, stride=2))
    assert found.mistakes[0].startswith("conv2d.grad_weight: the gradient of the kernel is flipped")
    with pytest.raises(
        ValueError, match=r"must compute the same; they differ, shapes \(2, 3, 3, 3\) and \(2, 3, 5, 5\)"
    ):
        gradient_autopsy(ForgottenStride.apply, (x, w), like=F.conv2d)


def test_the_arrays_and_the_figure_show_where() -> None:
    function, inputs = CONV
    with registry.replaced({"conv2d.grad_input": lambda *a: right("conv2d.grad_input")(*a) * (np.arange(5) != 4)}):
        found = gradient_autopsy(function, inputs)
    assert isinstance(found, explain.Autopsy)
    assert all(isinstance(part, explain.InputAutopsy) for part in found.inputs)
    first, *others = found.inputs
    assert all(other.right and other.worst is None for other in others)
    assert first.wrong[..., :4].sum() == 0
    assert first.wrong[..., 4].any()
    assert "only index 4 of dimension 3 is wrong" in first.remarks
    np.testing.assert_allclose(
        first.heat_map(), np.abs(first.backward - first.differences).max((0, 1)) * (np.arange(5) == 4)
    )
    assert ". . . . " in str(found)
    figure = found.figure()
    titles = [axis.get_title() for axis in figure.axes[:3]]
    assert titles == ["input 0: backward", "finite differences", "backward - differences"]
    picture = np.asarray(figure.axes[1].images[0].get_array().filled(np.nan))
    assert picture.shape == (2 * 7 - 1, 2 * 6 - 1)
    np.testing.assert_allclose(picture[:6, :5], first.differences[0, 0])
    np.testing.assert_allclose(picture[7:, 6:], first.differences[1, 1])
    assert found._repr_html_().startswith("<pre>input 0")


def test_a_module_with_fused_steps() -> None:
    """Other kernels are right while a mistake is tried, so that a small one is not taken for the one that is there."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU()).double()
    unmasked = partial(MISTAKES["relu.grad"][1].plant, right("relu.grad"))
    with registry.replaced({"relu.grad": unmasked}), minicnn.set_fusion_enabled(False):
        found = gradient_autopsy(net, leaf(2, 1, 3, 3))
    assert {name.partition(".")[0] for name in found.mistakes} == {"relu"}
    assert "relu.grad: the mask is missing" in str(found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: -t, "the sign is wrong"),
        (lambda t: t * 3, "all numbers are 3 times the right ones: multiplied by the batch size, 3?"),
        (lambda t: t / 3, "0.333333 times the right ones: divided by the batch size, 3?"),
        (lambda t: t * 0, "all numbers are 0"),
        (lambda t: t + 2, "too large by 2"),
        (lambda t: np.trunc(t), "rounded to integers"),
        (lambda t: t.swapaxes(1, 2), "transposed: dimensions 1 and 2"),
        (lambda t: t[::-1], "turned round along dimension 0"),
        (lambda t: t * (np.arange(3) == 2).reshape(3, 1, 1), "only index 0, 1 of dimension 0 is wrong"),
        (lambda t: t * np.pad(np.ones((2, 2)), 1), "only the border is wrong"),
    ],
)
def test_remarks_about_any_numbers(change, says: str) -> None:
    true = np.random.default_rng(0).standard_normal((3, 4, 4)) * 5
    assert says in " ".join(remarks(change(true), true, {"the batch size": 3}))


def test_nothing_is_remarked_about_noise() -> None:
    random = np.random.default_rng(0)
    assert remarks(random.standard_normal((3, 4)), random.standard_normal((3, 4))) == []
    assert remarks(np.zeros((2, 3)), np.zeros((3, 2))) == []
