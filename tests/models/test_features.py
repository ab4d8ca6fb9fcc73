"""Features of inner layers: what they are, what is computed for them, and that nothing is left behind."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn, optim
from minicnn.core import record
from minicnn.models import features

X = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


class Net(nn.Module):
    """A convolution, two blocks that share one ReLU, an auxiliary head in training, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Sequential(OrderedDict(a=nn.Conv2d(4, 4, 3, padding=1), norm=nn.BatchNorm2d(4), b=nn.ReLU()))
        self.aux = nn.Linear(4, 5)
        self.unused = nn.Linear(1, 1)
        self.late = nn.ModuleList([nn.Conv2d(4, 6, 1)])
        self.fc = nn.Linear(6, 5)
        self.scale = nn.Parameter(minicnn.ones(1))

    def forward(self, x: Any, times: float = 1.0) -> Any:
        x = self.relu(self.conv(x * self.scale * times))
        x = self.block(x)
        if self.training:
            self.aux(x.mean((2, 3)))
        x = self.relu(self.late[0](x))
        return self.fc(x.mean((2, 3)))


def net() -> Net:
    minicnn.manual_seed(0)
    return Net()


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def operations(call: Any) -> list[str]:
    with record() as steps:
        call()
    return [step.function.operation for step in steps]


def test_outputs_are_those_of_the_layers() -> None:
    model, x = net().eval(), minicnn.from_numpy(X)
    block = model.block(nn.functional.relu(model.conv(x)))
    expected = {"conv": model.conv(x), "block.a": model.block.a(nn.functional.relu(model.conv(x))), "block": block}
    assert list(features(model, list(expected))(x)) == list(expected)
    for path, value in expected.items():
        assert minicnn.equal(features(model, path)(x), value)
    several = features(model, ["block", "conv"])(x)
    assert list(several) == ["block", "conv"]  # in the order asked for
    assert minicnn.equal(several["block"], block)
    assert minicnn.equal(several["conv"], expected["conv"])  # although a ReLU in place comes next
    named = features(model, {"conv": "0", "block": "out"})(x, times=1.0)
    assert list(named) == ["0", "out"]
    assert minicnn.equal(features(model, "fc")(x), model(x))
    assert minicnn.equal(features(model, "conv")(x, times=2.0), features(model, "conv")(2 * x))


def test_nothing_is_computed_after_the_last_layer() -> None:
    model, x = net().eval(), minicnn.from_numpy(X)
    first = operations(lambda: features(model, "conv"))  # made on batches of no images
    assert first
    extractor = features(model, "block.a")
    assert operations(lambda: extractor(x)) == ["Mul", "Mul", "Conv2d", "relu", "Conv2d"]
    assert "Linear" in operations(lambda: model(x))
    assert operations(lambda: features(model, ["fc", "conv"])(x)).count("Linear") > 0


def test_the_model_is_left_as_it_was() -> None:
    model, x = net(), minicnn.from_numpy(X)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    random = minicnn.get_rng_state()
    modes = [m.training for m in model.modules()]
    extractor = features(model, ["conv", "fc"])
    assert minicnn.get_rng_state() == random
    assert [m.training for m in model.modules()] == modes
    assert all(minicnn.equal(t, before[name]) for name, t in model.state_dict().items())  # batch norm, too
    extractor(x)
    assert hooks(model) == hooks(extractor) == 0
    with pytest.raises(ValueError, match="channels"):
        extractor(minicnn.zeros(1, 5, 8, 8))
    assert hooks(model) == 0
    assert list(dict(model.named_children())) == ["conv", "relu", "block", "aux", "unused", "late", "fc"]


def test_it_is_a_module_that_shares_the_layers_it_needs() -> None:
    model = net()
    extractor = features(model, {"block.norm": "norm"})
    assert isinstance(extractor, models.FeatureExtractor)
    assert [name for name, _ in extractor.named_children()] == ["conv", "relu", "block", "unused"]
    assert extractor.conv is model.conv
    assert list(extractor.state_dict()) == [
        name for name in model.state_dict() if name.startswith(("scale", "conv", "block", "unused"))
    ]
    assert extractor.load_state_dict(model.state_dict(), strict=False).missing_keys == []
    assert "(block): Sequential(" in repr(extractor)
    assert "fc" not in repr(extractor)

    extractor.eval()
    assert not extractor.training
    assert not model.block.norm.training
    assert model.fc.training
    extractor.train()
    assert model.block.norm.training
    extractor.double()
    assert extractor(minicnn.zeros(1, 3, 8, 8, dtype=minicnn.float64))["norm"].dtype == minicnn.float64

    extractor.eval().conv = nn.Conv2d(3, 4, 1).double()  # what is assigned is what runs, and the model keeps its own
    assert model.conv.kernel_size == (3, 3)
    assert operations(lambda: extractor(minicnn.zeros(1, 3, 1, 1, dtype=minicnn.float64))).count("Conv2d") == 2


def test_as_the_backbone_of_another_network() -> None:
    class Segmenter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = features(net(), {"conv": "aux", "block": "out"})
            self.classifier = nn.Conv2d(4, 3, 1)

        def forward(self, x: Any) -> Any:
            found = self.backbone(x)
            return self.classifier(found["out"] + found["aux"])

    model = Segmenter()
    assert [name for name, _ in model.named_parameters()] == [
        *("backbone.scale", "backbone.conv.weight", "backbone.conv.bias", "backbone.block.a.weight"),
        *("backbone.block.a.bias", "backbone.block.norm.weight", "backbone.block.norm.bias"),
        *("backbone.unused.weight", "backbone.unused.bias", "classifier.weight", "classifier.bias"),
    ]
    x = minicnn.from_numpy(X)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    first = model(x).square().mean()
    first.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == [
        *("backbone.unused.weight", "backbone.unused.bias"),
    ]
    optimizer.step()
    assert model(x).square().mean().item() < first.item()
    clone = copy.deepcopy(model).eval()
    clone.backbone.conv.weight.data.zero_()
    clone.backbone.conv.bias.data.zero_()
    assert clone.backbone(x)["aux"].abs().max().item() == 0  # the clone runs its own layers
    assert model.backbone(x)["aux"].abs().max().item() > 0


def test_it_survives_pickling() -> None:
    model = models.squeezenet1_1(num_classes=3).eval()
    extractor = features(model, "features.4")
    again = pickle.loads(pickle.dumps(extractor))
    x = minicnn.randn(1, 3, 32, 32)
    assert minicnn.equal(again(x), extractor(x))
    assert list(again.state_dict()) == list(extractor.state_dict())


def test_gradients_are_pytorchs() -> None:
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3), nn.ReLU(inplace=True)).double()
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3), torch.nn.ReLU())
    theirs.double().load_state_dict({name: torch.tensor(t.numpy()) for name, t in ours.state_dict().items()})
    x = minicnn.from_numpy(X.astype(np.float64)).requires_grad_()
    found = features(ours, ["0", "2", "1"])(x)
    sum((y * y).sum() for y in found.values()).backward()

    t = torch.tensor(X.astype(np.float64), requires_grad=True)
    a = theirs[0](t)
    b = theirs[1](a)
    c = theirs[2](b)
    (a.square().sum() + b.square().sum() + c.square().sum()).backward()
    for found_here, there in ((found["0"], a), (found["1"], b), (found["2"], c), (x.grad, t.grad)):
        np.testing.assert_allclose(found_here.detach().numpy(), there.detach().numpy(), rtol=1e-9)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, err_msg=name)


def test_without_gradients() -> None:
    model = net().eval()
    extractor = features(model, "block")
    with minicnn.no_grad():
        assert not extractor(minicnn.from_numpy(X)).requires_grad
    assert extractor(minicnn.from_numpy(X)).requires_grad
    models.freeze(model)
    assert not extractor(minicnn.from_numpy(X)).requires_grad


def test_a_layer_that_runs_twice_gives_both_outputs() -> None:
    model, x = net().eval(), minicnn.from_numpy(X)
    found = features(model, ["relu", "conv"])(x)
    assert [tuple(y.shape) for y in found["relu"]] == [(2, 4, 8, 8), (2, 6, 8, 8)]
    assert minicnn.equal(found["relu"][0], nn.functional.relu(found["conv"]))
    alone = features(model, "relu")(x)
    assert minicnn.equal(alone[1], found["relu"][1])


def test_a_layer_that_does_not_run() -> None:
    model, x = net(), minicnn.from_numpy(X)
    with pytest.raises(ValueError, match="Net does not run 'unused' itself"):
        features(model, "unused")
    with pytest.raises(ValueError, match=r"does not run 'late' itself\. Layers in it: 'late\.0'"):
        features(model, ["conv", "late"])
    extractor = features(model, {"aux": "aux", "block": "block"})  # in training only
    assert extractor(x)["aux"].shape == (2, 5)
    with pytest.raises(ValueError, match="does not run 'aux' in evaluation"):
        extractor.eval()(x)
    assert list(extractor.train()(x)) == ["aux", "block"]
    assert hooks(model) == 0


def test_unknown_paths() -> None:
    with pytest.raises(ValueError, match=r"'block\.c' is no layer of Net\. Did you mean 'block\."):
        features(net(), "block.c")
    with pytest.raises(ValueError, match=r"'conv\.weight' is no layer of Net\. Did you mean 'conv'"):
        features(net(), ["conv.weight"])
    with pytest.raises(ValueError, match="at least one path"):
        features(net(), [])
    with pytest.raises(ValueError, match="two layers have the same name"):
        features(net(), {"conv": "a", "block": "a"})
    with pytest.raises(TypeError, match="a string; got int: 3"):
        features(net(), [3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"expected paths of layers .* got int"):
        features(net(), 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no layer of Net"):
        features(net(), "")


def test_a_model_of_images_of_an_unusual_size() -> None:
    class Odd(Net):
        def forward(self, x: Any, times: float = 1.0) -> Any:
            if x.shape != (2, 3, 8, 8):
                raise RuntimeError("two images of 8 x 8")
            return super().forward(x, times)

    model, x = Odd().eval(), minicnn.from_numpy(X)
    extractor = features(model, "block")
    assert len(list(extractor.children())) == len(list(model.children()))  # what is needed is not known
    assert operations(lambda: extractor(x)).count("Linear") == 1
    assert operations(lambda: extractor(x)).count("Linear") == 0  # now it is
    assert minicnn.equal(extractor(x), model.block(nn.functional.relu(model.conv(x))))
    assert len(features(model, "relu")(x)) == 2
    with pytest.raises(ValueError, match="does not run 'unused' in evaluation"):
        features(model, "unused")(x)


def test_outputs_that_are_not_one_tensor() -> None:
    class Pair(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + 1, {"twice": [x * 2, None]}

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pair, self.end = nn.Conv2d(3, 3, 1), Pair(), nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            a, parts = self.pair(self.conv(x))
            return self.end(a - 9) + self.end(parts["twice"][0].sub_(100))

    model, x = Outer(), minicnn.from_numpy(X)
    found = features(model, ["pair", "end"])(x)
    a, parts = found["pair"]
    assert minicnn.equal(parts["twice"][0], 2 * model.conv(x))
    assert minicnn.equal(a, model.conv(x) + 1)
    assert parts["twice"][1] is None


def test_an_extractor_of_an_extractor() -> None:
    model, x = net().eval(), minicnn.from_numpy(X)
    outer = features(features(model, ["conv", "block"]), "block.a")
    assert minicnn.equal(outer(x), model.block.a(nn.functional.relu(model.conv(x))))
    shorter = features(features(model, "block"), "conv")  # the inner one's layer is left out
    assert minicnn.equal(shorter(x), model.conv(x))
    assert [name for name, _ in shorter.named_children()] == ["conv", "unused"]
    outer = features(nn.Sequential(features(model, "block"), nn.Conv2d(4, 2, 1)), "0.block.a")
    assert minicnn.equal(outer(x), model.block.a(nn.functional.relu(model.conv(x))))


def test_an_output_that_is_an_alias_of_another_tensor() -> None:
    """What the model computes stays the same, and later changes in place are not seen."""

    class Alias(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.same, self.last = nn.Conv2d(3, 3, 1), nn.Identity(), nn.Conv2d(3, 3, 1)

        def forward(self, x: Any) -> Any:
            y = self.conv(x)
            z = self.same(y)
            y += 100
            return self.last(z)

    model, x = Alias(), minicnn.from_numpy(X)
    outputs = features(model, ["same", "last"])(x)
    assert minicnn.equal(outputs["same"], model.conv(x))
    assert minicnn.equal(outputs["last"], model(x))


def test_a_model_that_catches_errors_stops_too() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.later, self.caught = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), 0

        def forward(self, x: Any) -> Any:
            try:
                x = self.first(x)
            except Exception:
                self.caught += 1
            return self.later(x)

    extractor = features(Careful(), "first")
    extractor(minicnn.from_numpy(X))
    assert extractor._runner.caught == 0
    assert [name for name, _ in extractor.named_children()] == ["first"]


def test_frozen_backbone_in_training() -> None:
    model = net()
    models.freeze(model, "block")
    extractor = features(model, "block").train()
    mean = model.block.norm.running_mean.clone()
    extractor(minicnn.from_numpy(X + 5))
    assert minicnn.equal(model.block.norm.running_mean, mean)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18", {"layer1": (64, 16), "layer2": (128, 8), "layer3": (256, 4), "layer4": (512, 2)}),
        ("squeezenet1_1", {"features.0": (64, 31), "features.12": (512, 3), "features.12.squeeze": (64, 3)}),
        ("mobilenet_v3_small", {"features.3": (24, 8), "features.12": (576, 2)}),
    ],
)
def test_layers_of_the_zoo(name: str, layers: dict[str, tuple[int, int]]) -> None:
    model = models.get_model(name, num_classes=4).eval()
    with minicnn.no_grad():
        found = features(model, list(layers))(minicnn.randn(1, 3, 64, 64))
    assert {path: tuple(y.shape[1:3]) for path, y in found.items()} == layers
    first = next(iter(layers))
    assert list(dict(features(model, first).named_children()))[-1] == first.split(".")[0]
