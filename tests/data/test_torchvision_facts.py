"""Transforms against torchvision's results, arguments and texts, as make_torchvision_facts.py has written them."""

from __future__ import annotations

import gzip
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn.core import Tensor, from_numpy
from minicnn.data import transforms as T
from minicnn.data.transforms import functional as F

from .torchvision_cases import CASES, CLASSES, KINDS, H, W, floats, picture

FACTS = json.loads(gzip.decompress(Path(__file__).with_name("torchvision_facts.json.gz").read_bytes()))
NEAR_TIES = 0.02  # share of pixels: a place halfway between two pixels, which rounding errors decide


def agree(out: Any, fact: Any, case: str) -> None:
    if isinstance(fact, list):
        assert isinstance(out, tuple)
        for one, its in zip(out, fact, strict=True):
            agree(one, its, case)
        return
    values = out.numpy() if isinstance(out, Tensor) else np.asarray(out)
    expected = np.array(fact["values"]).reshape(fact["shape"])
    assert values.shape == expected.shape, case
    if "mode" in fact:
        assert out.mode == fact["mode"]
    else:
        assert values.dtype == fact["dtype"]
    off = np.abs(values.astype(float) - expected)
    if case.startswith(("rotate", "affine")):
        assert (off > (1 if values.dtype == np.uint8 else 1e-4)).mean() <= NEAR_TIES, case
    elif values.dtype.kind == "f":
        assert off.max() <= 2e-6, case
    elif "mode" in fact:
        assert off.max() == 0 or (case.startswith("gaussian") and off.max() <= 1), case
    else:  # computed in float32 and cut to a whole number: one level, where the fraction is as good as 0
        assert off.max() <= 1, case
        assert (off > 0).mean() <= 0.01, case


@pytest.mark.parametrize("case", CASES)
def test_functions_compute_the_same(case: str) -> None:
    name, arguments, kinds = CASES[case]
    options = {k: T.InterpolationMode[v] if k == "interpolation" else v for k, v in arguments.items()}
    for kind in kinds or KINDS:
        image = picture(kind)
        image = image if kind in ("RGB", "L") else from_numpy(image)
        out = getattr(F, name)(image, **options)
        agree(out, FACTS["results"][f"{case} {kind}"], f"{case} {kind}")
        if isinstance(image, Tensor):  # the same image as an array (H, W, C), and twice in a batch
            parts = out if isinstance(out, tuple) else (out,)
            array = getattr(F, name)(image.numpy().transpose(1, 2, 0), **options)
            batch = getattr(F, name)(from_numpy(np.stack([image.numpy()] * 2)), **options)
            for part, one, two in zip(parts, as_tuple(array), as_tuple(batch), strict=True):
                np.testing.assert_array_equal(one.transpose(2, 0, 1), part.numpy())
                np.testing.assert_array_equal(two.numpy(), np.stack([part.numpy()] * 2))


@pytest.mark.parametrize("case", [key for key in CASES if key.startswith(("rotate", "affine"))])
def test_tensors_are_warped_as_pil_images_are(case: str) -> None:
    """Exactly, or (bilinear) to a level; only at the image's end Pillow does not mix in the colour."""
    name, arguments, _ = CASES[case]
    options = {k: T.InterpolationMode[v] if k == "interpolation" else v for k, v in arguments.items()}
    theirs = np.asarray(getattr(F, name)(picture("RGB"), **options)).astype(int)
    ours = getattr(F, name)(np.asarray(picture("RGB")), **options).astype(int)
    assert ours.shape == theirs.shape
    if arguments["interpolation"] == "NEAREST":
        np.testing.assert_array_equal(ours, theirs)
    else:
        inside = getattr(F, name)(np.ones((H, W, 3)), **{**options, "fill": 0}) > 0.999
        assert inside.mean() > 0.3
        assert np.abs(ours - theirs)[inside].max() <= 1


def as_tuple(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("case", [key for key in FACTS["results"] if key.startswith("convert")])
def test_element_types_are_converted_alike(case: str) -> None:
    _, old, new = case.split()
    agree(T.ConvertImageDtype(getattr(minicnn, new))(from_numpy(floats(old))), FACTS["results"][case], case)


def test_the_preset_of_imagenet_computes_the_same() -> None:
    out = T.presets.imagenet_eval(6, 8)(picture("RGB"))
    np.testing.assert_allclose(out.numpy().ravel(), FACTS["results"]["preset RGB"]["values"], atol=2e-6)
    out = T.presets.imagenet_eval(6, 8)(picture("bytes").transpose(1, 2, 0))
    level = 1 / 255 / 0.224
    np.testing.assert_allclose(out.numpy().ravel(), FACTS["results"]["preset bytes"]["values"], atol=1.02 * level)


def written(default: Any) -> str:
    """A default as torchvision's looks (an object's address left out)."""
    return str(default).replace("minicnn.", "torch.")


@pytest.mark.parametrize(("group", "name"), [(g, n) for g in ("classes", "functions") for n in FACTS[g]])
def test_arguments_are_torchvisions_in_that_order(group: str, name: str) -> None:
    ours = inspect.signature(getattr(T if group == "classes" else F, name)).parameters
    theirs = FACTS[group][name]
    assert list(ours)[: len(theirs)] == [parameter for parameter, _ in theirs]
    for parameter, default in theirs:
        if default.startswith("<"):  # none
            assert ours[parameter].default is inspect.Parameter.empty
        elif parameter in ("ratio", "interpolation"):
            continue  # 3/4 and 0.75; the mode's own text
        else:
            assert written(ours[parameter].default) == default, parameter
    for extra in list(ours)[len(theirs) :]:
        assert ours[extra].default is not inspect.Parameter.empty


@pytest.mark.parametrize(("name", "arguments"), [c for c in CLASSES if c[1] is not None], ids=str)
def test_texts_are_the_same(name: str, arguments: dict[str, Any]) -> None:
    ours = str(getattr(T, name)(**arguments))
    assert ours == FACTS["texts"][f"{name} {json.dumps(arguments)}"]
