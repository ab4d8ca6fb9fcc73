"""What a summary may be asked, and what it says about mistakes in sizes, data and models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.core.errors import ShapeError
from minicnn.explain import summary

from .nets import of


def test_sizes_and_data_may_be_given_in_many_ways() -> None:
    conv, linear = nn.Conv2d(3, 2, 3), nn.Linear(6, 2)
    assert of(conv, (3, 8, 8)).input_size == [(1, 3, 8, 8)]
    assert of(conv, [3, 8, 8], batch_size=4).input_size == [(4, 3, 8, 8)]
    assert of(conv, (2, 3, 8, 8)).input_size == of(conv, (2, 3, 8, 8), batch_size=2).input_size == [(2, 3, 8, 8)]
    assert of(conv, minicnn.Size([2, 3, 8, 8])).input_size == [(2, 3, 8, 8)]
    assert of(linear, (6,)).input_size == [(1, 6)]
    assert of(linear, (5, 6)).input_size == [(5, 6)]
    assert of(linear, input_data=np.ones((2, 6), np.float32)).input_size == [(2, 6)]
    assert of(linear, input_data={"input": minicnn.ones(2, 6)}).input_size == [(2, 6)]
    assert of(conv, input_data=minicnn.ones(3, 8, 8)).receptive_field == (3, 3)  # (C, H, W)

    class Many(nn.Module):
        def forward(self, pair: Any, y: Any, scale: float = 1.0) -> Any:
            return {"sum": (pair[0] + pair[1] + y) * scale, "parts": list(pair)}

    a = minicnn.ones(2, 3)
    found = of(Many(), input_data=[(a, a), a, 2.0])
    assert found.input_size == [(2, 3)] * 3
    assert found.rows[0].output_shapes == [(2, 3)] * 3


def test_the_input_has_the_parameters_type_unless_told_otherwise() -> None:
    kinds = []

    class Kind(nn.Linear):
        def forward(self, x: Any) -> Any:
            kinds.append(x.dtype)
            return x

    of(Kind(2, 2), (2,))
    of(Kind(2, 2).double(), (2,))
    of(Kind(2, 2), (2,), dtype=minicnn.int64)
    of(nn.Sequential(Kind(2, 2)), input_data=minicnn.ones(1, 2), dtype=minicnn.float64)
    assert kinds == [minicnn.float32, minicnn.float64, minicnn.int64, minicnn.float64]
    assert of(nn.Conv2d(1, 1, 1).double(), (1, 2, 2)).total_output_bytes == 4 * 8


EXPECTED = r"expected \(C, H, W\) as \(3, 224, 224\), a batch"


@pytest.mark.parametrize(
    ("size", "options", "says"),
    [
        (None, {}, "give either input_size or input_data; got none of them"),
        ((1, 2), {"input_data": minicnn.ones(1)}, "got both"),
        (224, {}, EXPECTED),
        ("224", {}, EXPECTED),
        ((3, 224.0, 224), {}, EXPECTED),
        ((3, 0, 224), {}, EXPECTED),
        ((3, True, 224), {}, EXPECTED),
        ((1, 2, 3, 4, 5), {}, EXPECTED),
        ((), {}, EXPECTED),
        ([(1, 2), 3], {}, EXPECTED),
        ((3, 8, 8), {"batch_size": 0}, "batch_size must be at least 1"),
        ((3, 8, 8), {"batch_size": "2"}, EXPECTED),
        ((2, 3, 8, 8), {"batch_size": 4}, r"batch of 2 already, .* Fix: input_size=\(3, 8, 8\), batch_size=4"),
        (None, {"input_data": minicnn.ones(1), "batch_size": 2}, "input_data has its own batch"),
        ((3, 8, 8), {"mode": "training"}, "mode must be one of 'eval', 'train', 'same'; got 'training'"),
        ((3, 8, 8), {"col_names": ["size"]}, "unknown column 'size'; known are input_size, output_size"),
        ((3, 8, 8), {"device": "cuda"}, "cannot be used"),
        ((3, 8, 8), {"depth": -1}, "depth must be at least 0, the model itself; got -1"),
        ((3, 8, 8), {"depth": "2"}, "depth must be at least 0, the model itself; got '2'"),
    ],
)
def test_wrong_arguments_say_what_is_expected(size: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        of(nn.Conv2d(3, 1, 1), size, **options)


def test_other_mistakes() -> None:
    with pytest.raises(ValueError, match="verbose must be 0, 1 or 2"):
        summary(nn.ReLU(), (1,), verbose=3)
    with pytest.raises(TypeError, match=r"expected an nn.Module; got the class ReLU. Fix: ReLU\(\)"):
        summary(nn.ReLU, (1,))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the size is one tuple. Fix: summary\(model, \(3, 32, 32\)\)"):
        summary(nn.ReLU(), 3, 32, 32)
    with pytest.raises(TypeError, match="all else by name, as batch_size=4; got 1 more after input_size"):
        summary(nn.ReLU(), (3, 32, 32), 4)


@pytest.mark.parametrize(
    "data",
    [
        (x := minicnn.ones(2, 3, 4, 4)),
        [x, x],
        {"input": [x]},
        (3, x),
        np.ones((2, 3, 4, 4)),
    ],
    ids=["tensor", "list", "dict", "mixed", "array"],
)
def test_data_where_a_size_belongs(data: Any) -> None:
    fix = r"Fix: summary\(model, input_data=x\), or its size alone, summary\(model, \(2, 3, 4, 4\)\)"
    with pytest.raises(ValueError, match=rf"got a (Tensor|ndarray) of shape \(2, 3, 4, 4\)\. {fix}$"):
        of(nn.ReLU(), data)


def test_a_wrong_size_is_not_printed_at_length() -> None:
    with pytest.raises(ValueError, match=r"input_size=\[0, 1, 2, 3, 4, 5, \.\.\.\]: expected"):
        of(nn.ReLU(), list(range(1000)))


def test_a_forward_that_fails_says_where_and_shows_the_sizes_up_to_there() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 4, 3)), nn.Flatten())
    with pytest.raises(ShapeError, match="has 4 channels") as caught:
        of(net, (3, 12, 12))
    assert "'1.1': Conv2d(8, 4" in str(caught.value)
    (note,) = caught.value.__notes__
    lines = [" ".join(line.split()) for line in note.splitlines() if ":" in line]
    assert lines == [
        "summary: Sequential failed. What ran until then:",
        "0: Conv2d (1, 3, 12, 12) (1, 4, 8, 8) (12 - 5 + 2*0)/1 + 1 = 8",
        "1: Sequential (1, 4, 8, 8)",
        "0: MaxPool2d (1, 4, 8, 8) (1, 4, 4, 4) (8 - 2 + 2*0)/2 + 1 = 4",
        "1: Conv2d (failed here) (1, 4, 4, 4)",
    ]


def test_a_deep_network_that_fails_shows_the_layers_that_were_running_and_the_last_rows() -> None:
    class Deep(nn.Module):
        def __init__(self, layers: int) -> None:
            super().__init__()
            self.body = nn.Sequential(*[nn.ReLU() for _ in range(layers)])
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(5, 2))

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x))

    def shown(layers: int) -> list[str]:
        with pytest.raises(ShapeError) as caught:
            of(Deep(layers), (3, 4, 4))
        return [line.partition("  (")[0].strip() for line in caught.value.__notes__[-1].splitlines()[3:-1]]

    end = ["head: Sequential", "0: Flatten", "1: Linear (failed here)"]
    assert shown(40) == ["Deep", "... and 32 rows before", *[f"{i}: ReLU" for i in range(31, 40)], *end]
    assert shown(7) == ["Deep", "body: Sequential", *[f"{i}: ReLU" for i in range(7)], *end]


def test_layers_in_other_threads_are_refused_not_left_out() -> None:
    class Threaded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(3, 4, 3)

        def forward(self, x: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(self.inner, x).result()

    model = Threaded()
    with pytest.raises(ValueError, match="layers of Threaded ran in other threads"):
        of(model, (3, 8, 8))
    assert model(minicnn.ones(1, 3, 8, 8)).shape == (1, 4, 6, 6)


def test_an_error_that_is_not_about_sizes_has_the_note_too() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.first(x).no_such_method()

    with pytest.raises(AttributeError) as caught:
        of(Broken(), (3,))
    assert "Broken (failed here)" in caught.value.__notes__[-1]
    assert "first: Linear" in caught.value.__notes__[-1]


@pytest.mark.parametrize("more", [True, False])
def test_an_error_that_the_model_catches_is_no_failure(more: bool) -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 9)), nn.Conv2d(1, 1, 3)

        def forward(self, x: Any) -> Any:
            try:
                x = self.wide(x)
            except ShapeError:
                x = x * 2
            return self.narrow(x) if more else x

    rows = of(Careful(), (1, 8, 8)).rows
    ran = [("Careful", 0), ("wide", 1), ("0", 2), ("1", 2), ("mul", 1), ("narrow", 1)]
    assert [(row.name or row.type, row.depth) for row in rows] == ran
    failed, left = ["failed", "failed"], [] if more else ["not called"]
    assert [row.kind for row in rows if row.output_shape is None] == failed + left
    assert rows[0].receptive_field == ((3, 3) if more else (1, 1))


def test_a_too_small_image_gives_the_models_own_error() -> None:
    with pytest.raises(ShapeError, match="the smallest square image that this network takes has 17 x 17") as caught:
        of(minicnn.models.squeezenet1_1(num_classes=2), (3, 12, 12))
    assert "8: MaxPool2d (failed here)" in caught.value.__notes__[-1]
    assert "(0, " not in caught.value.__notes__[-1]  # the sizes that the model then tried are not shown
