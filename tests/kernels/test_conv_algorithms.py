"""Which algorithm computes a convolution, who decides, and that all give the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import active_conv_algorithm, call, explain, set_conv_algorithm, use_backend
from minicnn_kernels.conv_algorithms import choose
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window

import minicnn

from .convolutions import agree, exact, numbers


@pytest.fixture(autouse=True)
def numba_backend() -> Iterator[None]:
    with use_backend("numba"), set_conv_algorithm("auto"):
        yield


def chosen(direction: str = "forward", **changed: Any) -> tuple[str, str]:
    given = {"images": 4, "channels": 32, "filters": 32, "kernel": (3, 3), "side": 14, "groups": 1, "dtype": np.float32}
    given |= {"stride": 1, "padding": 1, "dilation": 1} | changed
    groups = given["groups"]
    x_shape = given["images"], given["channels"], given["side"], given["side"]
    w_shape = given["filters"], given["channels"] // groups, *given["kernel"]
    window = conv_window(x_shape, w_shape, given["stride"], given["padding"], given["dilation"], groups)
    return choose(direction, x_shape, w_shape, window, groups, given["dtype"])


def test_winograd_is_chosen_where_it_is_faster() -> None:
    assert chosen()[0] == chosen("grad_input")[0] == chosen("grad_weight")[0] == "winograd"
    assert chosen(kernel=(5, 5), padding="same")[0] == "winograd"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dtype": np.float64}, "float32, not float64"),
        ({"kernel": (3, 1)}, "not 3 x 1"),
        ({"kernel": (7, 7), "padding": 3}, "not 7 x 7"),
        ({"stride": 2}, "stride 1 and dilation 1"),
        ({"dilation": 2}, "stride 1 and dilation 1"),
        ({"groups": 2}, "one group of channels, not 2"),
        ({"channels": 3}, "fewer than 16 channels, here 3"),
        ({"images": 1, "side": 7}, "4 tiles of 32 channels"),
    ],
)
def test_direct_is_chosen_elsewhere_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    algorithm, why = chosen(**changed)
    assert algorithm == "direct"
    assert reason in why
    if "gains" not in why:  # a forced algorithm that does not apply: the same
        with set_conv_algorithm("winograd"):
            assert chosen(**changed) == (algorithm, why)


def test_wide_padding_is_for_the_forward_pass_only() -> None:
    assert chosen(padding=4)[0] == "winograd"
    algorithm, why = chosen("grad_input", padding=4)
    assert algorithm == "direct"
    assert "padding smaller than the window" in why


@pytest.mark.parametrize("algorithm", ["direct", "im2col", "winograd"])
def test_every_algorithm_computes_the_same_and_explain_names_it(algorithm: str) -> None:
    window = conv_window((2, 4, 9, 8), (6, 4, 3, 3), padding=(1, 2))
    x, w, g = numbers(window, 2, 4, 6)
    scale = np.arange(1, 7, dtype=np.float32)
    with set_conv_algorithm(algorithm):
        told = explain("conv2d.forward", x, w, None, window, 1)
        assert told.endswith(f"; algorithm {algorithm!r}: set_conv_algorithm asks for it")
        assert f"algorithm {algorithm!r}" in explain("conv2d.grad_input", g, w, window, 1)
        assert f"algorithm {algorithm!r}" in explain("conv2d.grad_weight", g, x, window, 1)
        got = [
            call("conv2d.forward", x, w, None, window, 1),
            call("conv2d.grad_input", g, w, window, 1),
            call("conv2d.grad_weight", g, x, window, 1),
        ]
        y = call("conv2d.forward", x, w, scale, window, 1, Epilogue(scale, g, 0.0, 9.0))
    for one, expected in zip(got, exact(x, w, g, window, "numpy"), strict=True):
        agree(one, expected)
    np.testing.assert_allclose(y, Epilogue(scale, g, 0.0, 9.0).apply(got[0], scale), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("images", [0, 3])
def test_im2col_takes_strides_groups_and_empty_batches(images: int) -> None:
    window = conv_window((images, 6, 9, 8), (4, 3, 3, 2), (2, 1), 1, (1, 2), 2)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((images, 6, 9, 8)), rng.standard_normal((4, 3, 3, 2))
    g = rng.standard_normal((images, 4, *window.output_size))
    operations = {"forward": (x, w, w[:, 0, 0, 0]), "grad_input": (g, w), "grad_weight": (g, x)}
    for name, arguments in operations.items():
        with set_conv_algorithm("im2col"):
            got = call(f"conv2d.{name}", *arguments, window, 2)
        with use_backend("numpy"):
            np.testing.assert_allclose(got, call(f"conv2d.{name}", *arguments, window, 2), rtol=1e-9, atol=1e-9)


def test_other_backends_have_one_algorithm() -> None:
    window = conv_window((1, 1, 3, 3), (1, 1, 3, 3))
    x, w, _ = numbers(window, 1, 1, 1)
    with use_backend("numpy"):
        assert "algorithm" not in explain("conv2d.forward", x, w, None, window, 1)


def test_a_block_restores_the_algorithm_and_holds_for_all_threads() -> None:
    block = set_conv_algorithm("winograd")
    set_conv_algorithm("im2col")
    with block, ThreadPoolExecutor(1) as pool:
        assert pool.submit(active_conv_algorithm).result() == "winograd"
        with pytest.raises(KeyError), set_conv_algorithm("direct"):
            raise KeyError("inside")
        assert active_conv_algorithm() == "winograd"
    assert active_conv_algorithm() == "auto"  # as before `block` was made
    with pytest.raises(ValueError, match=r"set_conv_algorithm\('fft'\).*'auto', 'direct', 'im2col', 'winograd'"):
        set_conv_algorithm("fft")


def test_training_curves_agree() -> None:
    """The same network learns the same with either algorithm."""
    rng = np.random.default_rng(0)
    labels = np.arange(32) % 2
    pattern = rng.standard_normal((2, 3, 12, 12))
    images = (rng.standard_normal((32, 3, 12, 12)) + pattern[labels]).astype(np.float32)

    def losses(algorithm: str) -> list[float]:
        minicnn.manual_seed(0)
        nn = minicnn.nn
        layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 36, 2)]
        model = nn.Sequential(*layers)
        optimizer = minicnn.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        x, y, curve = minicnn.from_numpy(images), minicnn.from_numpy(labels), []
        with minicnn.set_conv_algorithm(algorithm):
            assert minicnn.active_conv_algorithm() == algorithm
            for _ in range(20):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                curve.append(loss.item())
        return curve

    direct, fast = losses("direct"), losses("winograd")
    assert direct[-1] < 0.7 * direct[0]
    np.testing.assert_allclose(fast, direct, rtol=1e-3)
    assert fast != direct  # it was the other algorithm
