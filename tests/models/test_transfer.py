"""Freezing, new heads, and learning rates of their own: by name, as PyTorch does it where PyTorch does it."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn, optim
from minicnn.models import freeze, parameter_groups, replace_head, unfreeze

Heads = namedtuple("Heads", ["logits", "aux"])


class Net(nn.Module):
    """conv1, bn1, two blocks with batch norm, a fully connected layer."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.layer2 = nn.Sequential(nn.Conv2d(6, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x: Any) -> Any:
        x = self.layer2(self.layer1(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


def torch_twin(net: nn.Module) -> torch.nn.Module:
    class Twin(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            block = lambda a, b: torch.nn.Sequential(  # noqa: E731
                torch.nn.Conv2d(a, b, 3, bias=False), torch.nn.BatchNorm2d(b), torch.nn.ReLU()
            )
            self.conv1, self.bn1 = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
            self.layer1, self.layer2, self.fc = block(4, 6), block(6, 8), torch.nn.Linear(8, 5)

        def forward(self, x: Any) -> Any:
            return self.fc(self.layer2(self.layer1(self.bn1(self.conv1(x)))).mean((2, 3)))

    twin = Twin().double()
    twin.load_state_dict({name: torch.tensor(t.numpy().copy()) for name, t in net.state_dict().items()})
    return twin


def frozen(model: nn.Module) -> list[str]:
    return [name for name, p in model.named_parameters() if not p.requires_grad]


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


NAMES = [name for name, _ in Net().named_parameters()]
UP_TO_LAYER1 = [name for name in NAMES if name.startswith(("conv1", "bn1", "layer1"))]


# ------------------------------------------------------------------------ freezing


@pytest.mark.parametrize(
    ("patterns", "until", "expected"),
    [
        ((), None, NAMES),
        (("*",), None, NAMES),
        (("layer1",), None, ["layer1.0.weight", "layer1.1.weight", "layer1.1.bias"]),
        (("layer1.*",), None, ["layer1.0.weight", "layer1.1.weight", "layer1.1.bias"]),
        (("layer[12].0",), None, ["layer1.0.weight", "layer2.0.weight"]),
        (("*.bias", "fc.*"), None, [n for n in NAMES if n.endswith("bias") or n.startswith("fc")]),
        (("conv?.weight",), None, ["conv1.weight"]),
        ((), "conv1", ["conv1.weight", "conv1.bias"]),
        ((), "layer1", UP_TO_LAYER1),
        ((), "layer1.0", UP_TO_LAYER1[:-2]),
        (("fc.bias",), "bn1", ["conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "fc.bias"]),
    ],
)
def test_what_is_frozen(patterns: tuple[str, ...], until: str | None, expected: list[str]) -> None:
    model = Net()
    assert freeze(model, *patterns, until=until) == expected
    assert frozen(model) == expected
    assert freeze(model, *patterns, until=until) == []
    assert unfreeze(model, *patterns, until=until) == expected
    assert frozen(model) == []


def test_parameters_of_the_model_itself_and_of_shared_layers() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(minicnn.ones(1))
            self.first = nn.Sequential(nn.Linear(2, 2))
            self.second = self.first

    assert freeze(Shared(), until="first.0") == ["scale", "first.0.weight", "first.0.bias"]
    assert freeze(Shared(), "second.*.bias") == ["first.0.bias"]  # another path to the same parameter
    assert freeze(Shared(), "scale") == ["scale"]


def test_a_pattern_that_fits_nothing_suggests_and_changes_nothing() -> None:
    model = Net()
    with pytest.raises(ValueError, match=r"freeze: 'layr2\.\*' fits no layer .* of Net\. Did you mean 'layer2'"):
        freeze(model, "layer1", "layr2.*")
    with pytest.raises(ValueError, match=r"until='layer' is no layer of Net\. Did you mean 'layer"):
        freeze(model, until="layer")
    with pytest.raises(ValueError, match=r"unfreeze: 'fc\.wieght' .* Did you mean 'fc\.weight'"):
        unfreeze(model, "fc.wieght")
    with pytest.raises(ValueError, match="Its layers are 'conv1', 'bn1', 'layer1', 'layer2', 'fc'"):
        freeze(model, "zzz")
    with pytest.raises(TypeError, match="got Linear"):
        freeze(model, model.fc)  # type: ignore[arg-type]
    assert frozen(model) == []


def test_no_path_at_all_is_refused() -> None:
    """It would be the whole model as a pattern, and nothing as ``until``."""
    net = Net()
    with pytest.raises(ValueError, match=r"freeze: '' fits no layer and no parameter of Net"):
        freeze(net, "")
    with pytest.raises(ValueError, match=r"until='' is no layer of Net"):
        freeze(net, until="")
    with pytest.raises(ValueError, match=r"parameter_groups: '' fits no layer"):
        parameter_groups(net, {"": 0.1})
    assert all(p.requires_grad for p in net.parameters())


def test_frozen_batch_norm_stays_in_evaluation() -> None:
    model = Net()
    state = {name: t.clone() for name, t in model.state_dict().items()}
    text = repr(model)
    freeze(model, until="layer1")
    assert [m.training for m in norms(model)] == [False, False, True]  # at once
    model.train()
    assert [m.training for m in norms(model)] == [False, False, True]
    assert model.training
    assert model.layer1.training
    model(minicnn.randn(4, 3, 8, 8) * 3 + 1)
    moved = [name for name, t in model.state_dict().items() if not minicnn.equal(t, state[name])]
    assert moved == ["layer2.1.running_mean", "layer2.1.running_var", "layer2.1.num_batches_tracked"]
    assert repr(model) == text
    assert list(model.state_dict()) == list(state)

    for clone in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        clone.train()
        assert [m.training for m in norms(clone)] == [False, False, True]
        assert frozen(clone) == UP_TO_LAYER1

    unfreeze(model, "bn1")
    assert [m.training for m in norms(model)] == [True, False, True]  # the mode of the module around it
    model.eval()
    unfreeze(model)
    assert [m.training for m in norms(model)] == [False, False, False]
    model.train()
    assert [m.training for m in norms(model)] == [True, True, True]
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        freeze(model) and model.bn1.train("yes")


def test_which_batch_norms_are_frozen() -> None:
    model = Net().train()
    freeze(model, "*.weight")
    assert [m.training for m in norms(model)] == [True, True, True]  # their shifts still learn
    freeze(model, "bn1.bias")
    assert [m.training for m in norms(model)] == [False, True, True]
    unfreeze(model, "bn1.bias")
    assert [m.training for m in norms(model)] == [True, True, True]
    plain = nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.InstanceNorm2d(3, track_running_stats=True))
    assert freeze(plain, "0") == []
    assert [m.training for m in plain.train()] == [False, True]
    freeze(plain)
    assert [m.training for m in plain.train()] == [False, False]


def test_requires_grad_by_hand_is_pytorchs() -> None:
    """The listing of the course: the statistics follow the new images."""
    model = Net().double()
    twin = torch_twin(model)
    x = np.random.default_rng(0).normal(2, 3, (4, 3, 8, 8))
    for net, t in ((model, minicnn.from_numpy(x)), (twin, torch.tensor(x))):
        for p in net.parameters():  # type: ignore[attr-defined]
            p.requires_grad_(False)
        net.train()(t)  # type: ignore[attr-defined]
    theirs = twin.state_dict()
    assert model.bn1.num_batches_tracked.item() == 1
    for name, t in model.state_dict().items():
        np.testing.assert_allclose(t.numpy(), theirs[name].numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_training_with_a_frozen_backbone_is_pytorchs() -> None:
    model = Net().double()
    model(minicnn.randn(8, 3, 8, 8, dtype=minicnn.float64) * 2 + 1)  # statistics worth keeping
    twin = torch_twin(model)
    freeze(model, until="layer1")
    model.train()
    twin.train()
    for layer in (twin.conv1, twin.bn1, twin.layer1):
        layer.requires_grad_(False)
    for layer in (twin.bn1, twin.layer1[1]):  # type: ignore[index]
        layer.eval()

    ours = optim.SGD(
        parameter_groups(model, {"layer2": 0.01, "fc": {"lr": 0.1, "weight_decay": 1e-3}}), lr=1.0, momentum=0.9
    )
    slow = {"params": twin.layer2.parameters(), "lr": 0.01}
    fast = {"params": twin.fc.parameters(), "lr": 0.1, "weight_decay": 1e-3}
    theirs = torch.optim.SGD([slow, fast], lr=1.0, momentum=0.9)
    rng = np.random.default_rng(1)
    for _ in range(3):
        x, y = rng.normal(size=(4, 3, 8, 8)), rng.integers(0, 5, 4)
        losses = (
            (ours, nn.functional.cross_entropy(model(minicnn.from_numpy(x)), minicnn.from_numpy(y))),
            (theirs, torch.nn.functional.cross_entropy(twin(torch.tensor(x)), torch.tensor(y))),
        )
        for optimizer, loss in losses:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    expected = twin.state_dict()
    for name, t in model.state_dict().items():
        np.testing.assert_allclose(t.numpy(), expected[name].numpy(), rtol=1e-9, atol=1e-12)


def test_an_optimiser_with_momentum_leaves_frozen_parameters_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    model(minicnn.randn(4, 2)).square().sum().backward()
    optimizer.step()
    freeze(model, "0")
    assert model[0].weight.grad is None
    assert model[1].weight.grad is not None
    before = model[0].weight.detach().clone()
    optimizer.step()
    model(minicnn.randn(4, 2)).square().sum().backward()
    optimizer.step()
    assert minicnn.equal(model[0].weight, before)


# ------------------------------------------------------------------------ parameter groups


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_groups_fit_every_optimiser(kind: str) -> None:
    model = Net()
    groups = parameter_groups(model, {"layer[12]": 1e-4, "*.bias": {"lr": 1e-2, "weight_decay": 0.0}}, default=1e-3)
    optimizer = getattr(optim, kind)(groups, lr=1.0, weight_decay=0.5)
    assert [(g["name"], g["lr"], g["weight_decay"], len(g["params"])) for g in optimizer.param_groups] == [
        ("layer[12]", 1e-4, 0.5, 6),
        ("*.bias", 1e-2, 0.0, 3),  # those of layer1 and layer2 belong to the first that fits
        ("default", 1e-3, 0.5, 3),
    ]
    inside = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(inside) == sorted(map(id, model.parameters()))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    model(minicnn.randn(4, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    assert all(not minicnn.equal(p, before[name]) for name, p in model.named_parameters() if name != "conv1.bias")
    optimizer.load_state_dict(optimizer.state_dict())


def test_frozen_parameters_are_in_no_group() -> None:
    model = Net()
    freeze(model, "layer1", "conv1.weight")
    groups = parameter_groups(model, {"layer1.*": 1e-4, "conv1": 1e-3}, default={"lr": 1e-2})
    assert [(group["name"], len(group["params"])) for group in groups] == [("conv1", 1), ("default", 7)]
    assert {id(p) for group in groups for p in group["params"]} == {
        id(p) for p in model.parameters() if p.requires_grad
    }
    freeze(model)
    with pytest.raises(ValueError, match="no parameter of Net learns: all are frozen"):
        parameter_groups(model, {"*": 0.1})


def test_groups_explain_what_does_not_fit() -> None:
    model = Net()
    with pytest.raises(
        ValueError, match=r"no pattern fits 8 parameters that learn: bn1\.weight.* \.\.\.\. Fix: .*default"
    ):
        parameter_groups(model, {"conv1": 0.1, "fc": 0.1})
    with pytest.raises(ValueError, match=r"'feature\.\*' fits no layer and no parameter of Net"):
        parameter_groups(model, {"feature.*": 0.1}, default=0.1)
    with pytest.raises(ValueError, match=r"that 'fc' fits belong to earlier patterns.*put 'fc' before"):
        parameter_groups(model, {"*": 0.1, "fc": 0.2})
    for wrong in ("0.1", True, None, {"lr": 0.1, "params": []}):
        with pytest.raises(TypeError, match="expected for 'fc' a learning rate"):
            parameter_groups(model, {"fc": wrong}, default=0.1)  # type: ignore[dict-item]


# ------------------------------------------------------------------------ heads


class TwoHeads(Net):
    """With an auxiliary classifier in training, as GoogLeNet, registered before the backbone ends."""

    def __init__(self) -> None:
        super().__init__()
        self.num_classes = 5
        self.aux = nn.Sequential(nn.Dropout(0.7), nn.Linear(6, 5, bias=False))
        self.last = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        x = self.layer1(self.bn1(self.conv1(x)))
        aux = self.aux(x.mean((2, 3))) if self.training else None
        logits = nn.functional.log_softmax(self.fc(self.last(self.layer2(x)).mean((2, 3))), dim=1)
        return Heads(logits, aux) if self.training else logits


def test_all_heads_are_replaced_and_nothing_else_changes() -> None:
    model = TwoHeads().double()
    freeze(model)
    state = {name: t.clone() for name, t in model.state_dict().items()}
    random = minicnn.get_rng_state()
    modes = [m.training for m in model.modules()]
    new = replace_head(model, 2)
    assert list(new) == ["fc", "aux.1"]
    assert repr(new["aux.1"]) == "Linear(in_features=6, out_features=2, bias=False)"
    assert model.fc is new["fc"]
    assert model.aux[1] is new["aux.1"]
    assert new["fc"].weight.dtype == minicnn.float64
    assert model.num_classes == 2
    assert [m.training for m in model.modules()] == modes
    assert {n for n in NAMES if not n.startswith("fc")} <= set(frozen(model))
    assert {"fc.weight", "fc.bias", "aux.1.weight"} == {n for n, p in model.named_parameters() if p.requires_grad}
    for name, t in model.state_dict().items():
        assert name.startswith(("fc", "aux")) or minicnn.equal(t, state[name])
    logits, aux = model(minicnn.randn(3, 3, 8, 8, dtype=minicnn.float64))
    assert (logits.shape, aux.shape) == ((3, 2), (3, 2))

    minicnn.set_rng_state(random)  # only the new weights were drawn
    again = [nn.Linear(8, 2, dtype=minicnn.float64), nn.Linear(6, 2, bias=False, dtype=minicnn.float64)]
    assert minicnn.equal(again[0].weight, new["fc"].weight)
    assert minicnn.equal(again[1].weight, new["aux.1"].weight)


def test_a_convolution_stays_a_convolution() -> None:
    model = models.squeezenet1_1(num_classes=10)
    (head,) = replace_head(model.eval(), 3).values()
    assert repr(model.classifier[1]) == "Conv2d(512, 3, kernel_size=(1, 1), stride=(1, 1))"
    assert model.classifier[1] is head
    assert not head.training
    assert model.num_classes == 3
    assert model(minicnn.zeros(2, 3, 48, 48)).shape == (2, 3)
    odd = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, (3, 1), 2, (1, 0), 2, bias=False, padding_mode="reflect"))
    replace_head(odd, 7)
    assert repr(odd[1]) == (
        "Conv2d(4, 7, kernel_size=(3, 1), stride=(2, 2), padding=(1, 0), dilation=(2, 2), bias=False, "
        "padding_mode=reflect)"
    )


def test_models_of_one_image_size_and_of_vectors() -> None:
    lecture = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2 * 12 * 12, 10))
    assert list(replace_head(lecture, 3)) == ["4"]  # 28 x 28 only
    assert lecture(minicnn.zeros(1, 1, 28, 28)).shape == (1, 3)
    assert list(replace_head(nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 4)), 2)) == ["2"]


def test_a_layer_at_two_places_is_replaced_at_both() -> None:
    class Shared(Net):
        def __init__(self) -> None:
            super().__init__()
            self.again = self.fc

    model = Shared()
    assert list(replace_head(model, 2)) == ["fc"]
    assert model.again is model.fc


def test_auxiliary_heads_of_a_network_inside_another_module() -> None:
    model = nn.Sequential(nn.Identity(), models.googlenet(num_classes=10, init_weights=False))
    assert list(replace_head(model, 3)) == ["1.aux1.fc2", "1.aux2.fc2", "1.fc"]
    assert model[1].training


def test_a_number_of_classes_from_numpy() -> None:
    net = Net()
    new = replace_head(net, np.array([0, 2, 1]).max() + 1)
    assert type(new["fc"].out_features) is int
    assert net(minicnn.zeros(1, 3, 8, 8)).shape == (1, 3)
    with pytest.raises(ValueError, match="at least one path of a layer; got none"):
        replace_head(net, 3, head=[])


def test_a_head_that_is_not_found() -> None:
    class Scores(Net):
        """The number of classes is built into forward."""

        def forward(self, x: Any) -> Any:
            return super().forward(x).reshape(-1, 5)

    class Pair(Net):
        def forward(self, x: Any) -> Any:
            y = super().forward(x)
            return {"scores": y, "box": self.conv1(x)}

    class Odd(Net):
        def forward(self, x: Any) -> Any:
            if x.shape[2:] != (41, 41):
                raise RuntimeError("41 x 41")
            return super().forward(x)

    model: nn.Module = Scores()
    old = model.fc
    with pytest.raises(ValueError, match="Scores does not give 2 scores when 'fc' has as many outputs"):
        replace_head(model, 2)
    assert model.fc is old
    with pytest.raises(ValueError, match=r"layers of different sizes, 'conv1', 'fc' with \[4, 5\] outputs"):
        replace_head(Pair(), 2)
    model = Odd()
    with pytest.raises(ValueError, match=r"Odd takes images of no usual size.*head='fc'"):
        replace_head(model, 2)
    assert list(replace_head(model, 2, head="fc")) == ["fc"]
    assert list(replace_head(Pair(), 2, head=["fc", "conv1"])) == ["fc", "conv1"]
    with pytest.raises(ValueError, match=r"no Linear or Conv2d makes the output of Sequential"):
        replace_head(nn.Sequential(nn.Linear(2, 2), _Constant()), 2)
    with pytest.raises(ValueError, match=r"'fd' is no layer of Net\. Did you mean 'fc'"):
        replace_head(Net(), 2, head="fd")
    with pytest.raises(ValueError, match="'layer1' is a Sequential; a Linear or a Conv2d can be replaced"):
        replace_head(Net(), 2, head="layer1")
    for wrong in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match="num_classes must be a whole number of at least 1"):
            replace_head(Net(), wrong)  # type: ignore[arg-type]


class _Constant(nn.Module):
    def forward(self, x: Any) -> Any:
        return minicnn.zeros(x.shape[0], 2)


def test_assignment_as_in_pytorch() -> None:
    model = Net()
    names = list(model.state_dict())
    for p in model.parameters():
        p.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 2)
    assert list(model.state_dict()) == names
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["fc.weight", "fc.bias"]
    assert model(minicnn.randn(2, 3, 8, 8)).shape == (2, 2)
    classifier = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 9))
    classifier[2] = nn.Linear(4, 2)
    classifier[-3] = nn.Linear(3, 4)
    assert classifier(minicnn.randn(2, 3)).shape == (2, 2)
    squeezenet = models.squeezenet1_1(num_classes=10)
    squeezenet.classifier[1] = nn.Conv2d(512, 2, kernel_size=1)
    assert squeezenet(minicnn.zeros(1, 3, 32, 32)).shape == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.list_models())
def test_every_model_of_the_zoo_gets_a_new_head(name: str) -> None:
    model = models.get_model(name)
    before = [path for path, _ in model.named_parameters()]
    sizes = {path: tuple(p.shape) for path, p in model.named_parameters()}
    new = replace_head(model, 7)
    assert [path for path, _ in model.named_parameters()] == before
    changed = {path.rpartition(".")[0] for path, p in model.named_parameters() if tuple(p.shape) != sizes[path]}
    assert changed == set(new)
    assert len(new) == 1 + sum(child.lower().startswith("aux") for child, _ in model.named_children())
