"""The list of models, weights by path, and the errors on the way."""

from __future__ import annotations

import gc
import inspect
import io
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.models import registry


def test_models_are_listed_by_pattern() -> None:
    assert "resnet18" in models.list_models()
    assert models.list_models() == sorted(models.list_models())
    assert models.list_models("vgg1*", exclude="*_bn") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert models.list_models("no such*") == []
    assert models.list_models(["vgg1*", "alexnet"], exclude=["*_bn", "vgg11"]) == ["alexnet", "vgg13", "vgg16", "vgg19"]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("resnet-18", "resnet18"), ("ResNet17", "resnet1"), ("mobilenetv2", "mobilenet_v2"), ("vgg_16", "vgg16")],
)
def test_an_unknown_model_suggests_near_ones(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"there is no model named '{wrong}'. Did you mean .*{near}"):
        models.get_model(wrong)


def test_a_name_like_no_other_points_to_the_list() -> None:
    with pytest.raises(ValueError, match=r"list_models\(\)"):
        models.get_model("qqqqqqqq")
    with pytest.raises(TypeError, match="a string"):
        models.get_model(18)  # type: ignore[arg-type]


def test_capital_letters_make_no_difference() -> None:
    assert models.get_model_builder("AlexNet") is models.alexnet


def test_a_name_is_taken_once() -> None:
    def vgg16() -> nn.Module:
        return nn.Identity()

    with pytest.raises(ValueError, match=r"a model named 'vgg16' already, from minicnn.models.vgg"):
        models.register_model(vgg16)


def test_a_misspelt_argument_suggests_the_right_one() -> None:
    with pytest.raises(TypeError, match=r"resnet18: there is no argument 'num_clases'. Did you mean 'num_classes'"):
        models.resnet18(num_clases=3)
    with pytest.raises(TypeError, match=r"lenet5: there is no argument 'zzz'. Expected: .*partial_connections"):
        models.get_model("lenet5", zzz=1)


def test_builders_know_their_images_and_name_their_arguments() -> None:
    assert models.resnet18.image == (3, 224, 224)
    assert models.lenet5.image == (1, 32, 32)
    for name in models.list_models():
        text = models.get_model_builder(name).__doc__
        assert text is None or "num_classes" in text or "rguments of :class:" in text, name


def test_builders_have_a_signature_to_read() -> None:
    assert list(inspect.signature(models.squeezenet1_1).parameters)[:2] == ["weights", "progress"]


def test_pretrained_explains_weights_by_path() -> None:
    with pytest.raises(ValueError, match=r"given by path.*https://.*resnet18-f37072fd.pth.*weights='path"):
        models.resnet18(pretrained=True)
    with pytest.raises(ValueError, match=r"given by path.*torchvision has none"):
        models.lenet5(True)
    assert isinstance(models.squeezenet1_1(pretrained=False, progress=False), nn.Module)
    for name in models.list_models():
        assert models.weights_address(name) is None or models.weights_address(name).endswith(".pth")


@pytest.mark.parametrize("first", [10, "weights.pth", models.ScaledTanh])
def test_arguments_are_given_by_name(first: Any) -> None:
    with pytest.raises(TypeError, match="lenet5: arguments are given by name, such as num_classes=10"):
        models.lenet5(first)


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
@pytest.mark.parametrize("wrong", [0, -1, "10", 2.5, True, None])
def test_sizes_are_positive_whole_numbers(argument: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"lenet5: {argument} must be a whole number of at least 1; got {wrong!r}"):
        models.get_model("lenet5", **{argument: wrong})


def test_a_size_may_be_numpys() -> None:
    assert models.lenet5(num_classes=np.int64(3)).output.out_features == 3


def test_a_registered_name_may_have_capital_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    def MyNet() -> nn.Module:
        return nn.Identity()

    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    models.register_model(MyNet)
    assert isinstance(models.get_model("MyNet"), nn.Identity)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"weights='IMAGENET1K_V1'.*no such file.*https.*squeezenet1_1-.*Fix"):
        models.squeezenet1_1(weights="IMAGENET1K_V1")
    with pytest.raises(FileNotFoundError, match=r"nowhere.pth"):
        models.squeezenet1_1(weights="nowhere.pth")
    with pytest.raises(FileNotFoundError, match="that is a folder"):
        models.squeezenet1_1(weights=".")
    with pytest.raises(FileNotFoundError, match="Nothing is downloaded here"):
        models.squeezenet1_1(weights=models.weights_address("squeezenet1_1"))
    with pytest.raises(TypeError, match="path of a file, or a state_dict"):
        models.squeezenet1_1(weights=3)


# -------------------------------------------------------------------- formats


@pytest.fixture(scope="module")
def trained() -> Any:
    minicnn.manual_seed(5)
    return models.squeezenet1_1(num_classes=3)


def torch_state(model: Any) -> dict[str, Any]:
    return {key: torch.from_numpy(value.numpy().copy()) for key, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "name",
    ["w.safetensors", "w.npz", "w.minicnn", "zip.pth", "legacy.pth", "legacy_parallel.th", "checkpoint.pth"],
)
def test_weights_of_every_format(name: str, trained: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    state = torch_state(trained)
    if name == "zip.pth":
        torch.save(state, path)
    elif name == "legacy.pth":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif name == "legacy_parallel.th":
        nested = {"best_prec1": 91.7, "state_dict": {f"module.{k}": v for k, v in state.items()}}
        torch.save(nested, path, _use_new_zipfile_serialization=False)
    elif name == "checkpoint.pth":
        torch.save({"epoch": 3, "model": state, "optimizer": {"state": {}}}, path)
    else:
        minicnn.save(trained.state_dict(), path)
    by_weights = models.squeezenet1_1(num_classes=3, weights=path)
    by_state = models.squeezenet1_1(num_classes=3)
    by_state.load_state_dict(minicnn.load(path))
    for key, value in trained.state_dict().items():
        np.testing.assert_array_equal(by_weights.state_dict()[key].numpy(), value.numpy())
        np.testing.assert_array_equal(by_state.state_dict()[key].numpy(), value.numpy())


def test_weights_of_another_network_change_nothing(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(torch_state(trained), path)
    model = models.squeezenet1_1(num_classes=5)
    before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    with pytest.raises(nn.StateDictError, match=r"(?s)classifier.1.weight +model \(5, .*state_dict \(3, .*Fix: build"):
        models.load_weights(model, path)
    with pytest.raises(
        nn.StateDictError, match=r"(?s)missing.*features.0.weight.*more.*unexpected.*No key fits|missing"
    ):
        models.load_weights(model, models.lenet5().state_dict())
    for key, value in before.items():
        np.testing.assert_array_equal(model.state_dict()[key].numpy(), value)


# ------------------------------------------------------------------ image sizes


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "lenet5"])
def test_a_too_small_image_says_the_smallest_that_works(name: str) -> None:
    model = models.get_model(name, num_classes=2).train()
    channels = next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))
    smallest = model.smallest_image(channels)
    assert smallest is not None
    assert all(m.training for m in model.modules())
    model.eval()
    assert model(minicnn.zeros(1, channels, smallest, smallest)).shape == (1, 2)
    with pytest.raises(ValueError, match=f"too small.*smallest square image.*{smallest} x {smallest}") as caught:
        model(minicnn.zeros(1, channels, smallest - 1, smallest - 1))
    assert "in layer '" in str(caught.value)


def test_auxiliary_heads_want_larger_images_and_the_message_says_so() -> None:
    model = models.googlenet_2014(num_classes=2).train()
    with pytest.raises(
        ValueError, match=r"takes has 2\d\d x 2\d\d in training \(in evaluation, or with aux_logits=False, 15"
    ):
        model(minicnn.zeros(2, 3, 100, 100))


def test_a_network_of_one_size_says_which() -> None:
    with pytest.raises(ValueError, match="64 x 64 pixels, which this network does not take; it does take 32 x 32"):
        models.lenet5()(minicnn.zeros(1, 1, 64, 64))


@pytest.mark.parametrize("by_name", [True, False])
def test_the_image_may_be_given_by_name(by_name: bool) -> None:
    model, image = models.lenet5(), minicnn.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="LeNet5: the image is too small"):
        model(x=image) if by_name else model(image)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet20", "densenet40_k12"])
def test_one_image_is_no_batch(name: str) -> None:
    model = models.get_model(name, num_classes=2).eval()
    with pytest.raises(
        ValueError, match=r"expected a batch of images \(N, C, H, W\); got \(3, 64, 64\).*unsqueeze\(0\)"
    ):
        model(minicnn.zeros(3, 64, 64))


@pytest.mark.parametrize(("name", "shape"), [("squeezenet1_1", (1, 64, 64, 3)), ("lenet5", (2, 32, 32, 1))])
def test_channels_last_are_noticed(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"channels last; expected \(N, C, H, W\). Fix: x.permute\(0, 3, 1, 2\)"):
        models.get_model(name, num_classes=2)(minicnn.zeros(*shape))


def test_a_batch_too_small_for_batch_norm_is_no_matter_of_the_size() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel") as caught:
        models.resnet18(num_classes=2)(minicnn.zeros(1, 3, 32, 32))
    assert "pixels" not in str(caught.value)


def test_other_mistakes_with_the_image_keep_their_own_message() -> None:
    model = models.squeezenet1_1(num_classes=2)
    with pytest.raises(ValueError, match="channels") as caught:
        model(minicnn.zeros(1, 1, 64, 64))
    assert "too small" not in str(caught.value)


# ---------------------------------------------------------------------- memory


def peak_over_size(name: str) -> float:
    tracemalloc.start()
    try:
        model = models.get_model(name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak / sum(t.nbytes for t in model.state_dict().values())


@pytest.mark.parametrize("name", [pytest.param("vgg16", marks=pytest.mark.slow), "squeezenet1_1"])
def test_building_does_not_hold_a_second_copy(name: str) -> None:
    assert peak_over_size(name) < 1.3


def test_a_model_is_freed_at_once() -> None:
    """By its reference count: nothing that loading, running or an error leaves behind keeps a large model."""
    gc.collect()
    gc.disable()
    try:
        model = models.squeezenet1_1(num_classes=2)
        model.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
        weights = weakref.ref(model.features[0].weight)
        with pytest.raises(ValueError, match="too small"):
            model(minicnn.zeros(1, 3, 8, 8))
        model(minicnn.zeros(2, 3, 32, 32)).sum().backward()
        minicnn.summary(model, (3, 32, 32), verbose=0)
        models.features(model, "features.4")(minicnn.zeros(1, 3, 32, 32))
        models.replace_head(model, 3)
        models.freeze(model)
        models.export_onnx(model, io.BytesIO(), (3, 32, 32))
        del model
        assert weights() is None
    finally:
        gc.enable()
