"""Training on the device, as programs write it: models, optimisers, checkpoints, and what is copied meanwhile."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import precision

import minicnn
from minicnn import nn, optim
from minicnn.core.errors import DeviceError
from minicnn.data import DataLoader, TensorDataset

from .conftest import ON_GPU
from .twin import agree, on_host

MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet": (lambda: minicnn.models.lenet5(num_classes=10), (2, 1, 32, 32)),
    "resnet_cifar": (lambda: minicnn.models.resnet20(num_classes=10), (2, 3, 16, 16)),
    # its last maps are 1x1: batch norm over 2 samples alone would amplify float32's rounding to 1%
    "mobilenet_v2": (lambda: minicnn.models.mobilenet_v2(num_classes=5, width_mult=0.25), (8, 3, 32, 32)),
    "densenet": (lambda: minicnn.models.DenseNet(8, (2, 2), 8, num_classes=5), (2, 3, 32, 32)),
    "squeezenet": (lambda: minicnn.models.squeezenet1_1(num_classes=5), (2, 3, 64, 64)),
}


@pytest.fixture
def exact() -> Any:
    """Convolutions without TF32, which the CPU does not have."""
    with precision.set_conv_tf32(False):
        yield


def model_and_input(name: str) -> tuple[nn.Module, minicnn.Tensor]:
    make, shape = MODELS[name]
    minicnn.manual_seed(0)
    model = make()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model, minicnn.randn(shape, generator=minicnn.Generator().manual_seed(1))


@pytest.mark.parametrize("name", MODELS)
def test_models_compute_as_on_the_cpu(device: str, exact: None, name: str) -> None:
    found = []
    for where in ("cpu", device):
        model, x = model_and_input(name)
        labels = minicnn.tensor([1, 3] * (len(x) // 2), device=where)
        model.to(where)
        x = x.to(where)
        with minicnn.no_grad():
            evaluated = model.eval()(x)
        y = model.train()(x)
        nn.functional.cross_entropy(y, labels).backward()
        gradients = [p.grad for p in model.parameters()]
        assert all(t is not None and t.device.type == where for t in (evaluated, y, *gradients))
        found.append([on_host(t) for t in (evaluated, y, *gradients, *model.buffers())])
    agree(found[1], found[0], 2e-3)


OPTIMIZERS: list[Callable[[Any], optim.Optimizer]] = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True),
    lambda params: optim.Adam(params, lr=0.01, amsgrad=True),
    lambda params: optim.AdamW(params, lr=0.01),
    lambda params: optim.RMSprop(params, lr=0.01, momentum=0.9, centered=True),
    lambda params: optim.Adagrad(params, lr=0.1),
    lambda params: optim.Adadelta(params),
]


def small_model() -> nn.Module:
    minicnn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 4)
    )


def batches(count: int = 3) -> list[tuple[minicnn.Tensor, minicnn.Tensor]]:
    random = minicnn.Generator().manual_seed(2)
    return [
        (minicnn.randn(5, 1, 6, 6, generator=random), minicnn.randint(4, (5,), generator=random)) for _ in range(count)
    ]


def steps(model: nn.Module, optimizer: optim.Optimizer, device: Any) -> list[float]:
    """The losses of a few steps."""
    losses = []
    for images, labels in batches():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_optimisers_step_as_on_the_cpu(device: str, exact: None, make: Callable[[Any], optim.Optimizer]) -> None:
    found = []
    for where in ("cpu", device):
        model = small_model().to(where)
        optimizer = make(model.parameters())
        losses = steps(model, optimizer, where)
        for state in optimizer.state.values():
            for name, value in state.items():
                if isinstance(value, minicnn.Tensor):
                    assert value.device.type == ("cpu" if name == "step" else where)
        found.append([np.array(losses), *[on_host(p) for p in model.parameters()]])
    agree(found[1], found[0], 1e-3)


SCHEDULERS: list[Callable[[Any], Any]] = [
    lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5),
    lambda o: optim.lr_scheduler.MultiStepLR(o, [1, 2]),
    lambda o: optim.lr_scheduler.ExponentialLR(o, 0.9),
    lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 5),
    lambda o: optim.lr_scheduler.OneCycleLR(o, 0.2, total_steps=9),
    lambda o: optim.lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
]


@pytest.mark.parametrize("make", SCHEDULERS)
def test_schedulers(device: str, make: Callable[[Any], Any]) -> None:
    found = []
    for where in ("cpu", device):
        model = small_model().to(where)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scheduler = make(optimizer)
        rates = []
        for _ in range(3):
            steps(model, optimizer, where)
            scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
        found.append(rates)
    assert found[0] == found[1]
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    for loss in (1.0, 2.0, 3.0):
        plateau.step(minicnn.tensor(loss, device=device))
    assert optimizer.param_groups[0]["lr"] < found[1][-1]


def test_a_loop_as_in_the_lecture(device: str) -> None:
    torch = minicnn
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert where.type == "cuda"
    model = small_model()
    model.to(where)
    criterion = nn.CrossEntropyLoss().to(where)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    images, labels = (torch.cat(parts) for parts in zip(*batches(4), strict=True))
    loader = DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True, num_workers=2, pin_memory=True)
    for epoch in range(2):
        model.train()
        total = correct = 0
        running = torch.zeros(1, device=where)
        for x, y in loader:
            assert x.is_pinned()
            assert y.is_pinned()
            x, y = x.to(where, non_blocking=True), y.to(where, non_blocking=True)
            optimizer.zero_grad(set_to_none=True)
            outputs = model(x)
            loss = criterion(outputs, y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            running += loss.detach()
            _, predicted = torch.max(outputs.data, 1)
            total += y.size(0)
            correct += (predicted == y).sum().item()
        assert np.isfinite(running.item())
        assert 0 <= correct <= total == 20
        assert epoch in (0, 1)
    model.eval()
    with torch.no_grad():
        scores = model(images.to(where)).softmax(1).cpu().numpy()
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


@pytest.mark.skipif(ON_GPU, reason="counted by the stand-in")
@pytest.mark.parametrize("name", ["lenet", "resnet_cifar"])
def test_a_training_step_waits_for_nothing(device: str, name: str) -> None:
    from tests import standin

    model, x = model_and_input(name)
    model.to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    labels = minicnn.tensor([1, 3])
    accuracy = minicnn.zeros((), device=device)
    for step in range(3):
        with standin.counted() as counts:
            inputs, targets = x.to(device), labels.to(device)
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = nn.functional.cross_entropy(outputs, targets, label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            accuracy += (outputs.argmax(1) == targets).float().mean()
        assert counts["device to host"] == 0
        assert counts["synchronisations"] == 0
        if step == 2:  # what there is to know about shapes has been copied by then
            assert counts["host to device"] == 2  # images and labels
    with standin.counted() as counts:
        loss.item()
    assert counts["synchronisations"] == 1


def test_dropout_draws_on_the_device(device: str) -> None:
    minicnn.manual_seed(5)
    x = minicnn.ones(1000, device=device)
    first, second = nn.functional.dropout(x, 0.3), nn.functional.dropout(x, 0.3)
    assert not minicnn.equal(first, second)
    assert 0.6 < (first > 0).float().mean().item() < 0.8
    minicnn.manual_seed(5)
    assert minicnn.equal(nn.functional.dropout(x, 0.3), first)


def test_a_label_that_is_no_class_shows(device: str) -> None:
    logits = minicnn.randn(4, 3, device=device, requires_grad=True)
    wrong = minicnn.tensor([0, 1, 3, 2], device=device)
    assert np.isnan(nn.functional.cross_entropy(logits, wrong).item())
    with minicnn.autograd.detect_anomaly(), pytest.raises(ValueError, match="label 3 at position 2 is not a class"):
        nn.functional.cross_entropy(logits, wrong)
    ignored = minicnn.tensor([0, 1, -100, 2], device=device)
    for loss in (nn.functional.cross_entropy, nn.functional.nll_loss):
        weight = minicnn.tensor([1.0, 2.0, 3.0], device=device)
        ours = loss(logits, ignored, weight=weight)
        theirs = loss(logits.cpu(), ignored.cpu(), weight=weight.cpu())
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz"])
def test_checkpoints_go_from_device_to_device(device: str, tmp_path: Path, suffix: str) -> None:
    model = small_model().to(device)
    path = tmp_path / f"model{suffix}"
    minicnn.save(model.state_dict(), path)
    host = minicnn.load(path)
    assert all(t.device.type == "cpu" for t in host.values())
    small_model().load_state_dict(host)
    for where in (device, minicnn.device(device), "cuda:0", {"cpu": "cuda:0"}, {"cuda:1": "cuda:0"}):
        assert all(t.is_cuda for t in minicnn.load(path, map_location=where).values())
    moved = minicnn.load(path, map_location=lambda storage, place: storage.cuda() if place == "cpu" else None)
    assert all(t.is_cuda for t in moved.values())
    for where in ("cpu", device):
        fresh = small_model().to(where)
        with minicnn.no_grad():
            fresh[0].weight.zero_()
        fresh.load_state_dict(minicnn.load(path, map_location=lambda storage, place: storage))
        fresh.load_state_dict(moved)
        assert fresh[0].weight.device.type == where
        agree([on_host(p) for p in fresh.parameters()], [on_host(p) for p in model.parameters()], 0)


def test_optimisers_go_on_from_a_checkpoint_on_another_device(device: str, exact: None, tmp_path: Path) -> None:
    path = tmp_path / "all.pt"
    for first, second in ((device, "cpu"), ("cpu", device)):
        model = small_model().to(first)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        steps(model, optimizer, first)
        minicnn.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "where": first}, path)
        expected = steps(model, optimizer, first)
        loaded = minicnn.load(path, map_location=second)
        resumed = small_model().to(second)
        resumed.load_state_dict(loaded["model"])
        again = optim.Adam(resumed.parameters(), lr=0.5)
        again.load_state_dict(loaded["optimizer"])
        np.testing.assert_allclose(steps(resumed, again, second), expected, rtol=1e-3)


def test_an_optimiser_that_stepped_before_the_model_moved(device: str) -> None:
    model = small_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    steps(model, optimizer, "cpu")
    model.to(device)
    with pytest.raises(DeviceError, match=r"'momentum_buffer' .* is on cpu, the parameter on cuda:0. Fix: model\.to"):
        steps(model, optimizer, device)
    optimizer.load_state_dict(optimizer.state_dict())
    steps(model, optimizer, device)


def test_fit_moves_model_and_batches(device: str, exact: None) -> None:
    images, labels = (minicnn.cat(parts) for parts in zip(*batches(4), strict=True))
    found = []
    for where in ("cpu", device):
        model = small_model()
        loader = DataLoader(TensorDataset(images, labels), batch_size=5)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        history = minicnn.train.fit(model, loader, loader, optimizer=optimizer, epochs=2, device=where, progress=False)
        assert model[0].weight.device.type == where
        result = minicnn.train.evaluate(model, loader, device=where)
        found.append([*history.step_losses, result["loss"]])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3)


def test_what_looks_at_the_cpu_says_so(device: str) -> None:
    model = small_model().to(device).eval()
    x = minicnn.zeros(1, 1, 6, 6, device=device)
    assert "Conv2d" in str(minicnn.summary(model, (1, 6, 6), verbose=0))
    with pytest.raises(
        DeviceError, match=r"explain\.filters looks at numbers on the CPU.*copy\.deepcopy\(model\)\.cpu"
    ):
        minicnn.explain.filters(model)
    with pytest.raises(DeviceError, match=r"onnx\.export looks at numbers on the CPU"):
        minicnn.onnx.export(model, (x,), "never.onnx")
    compiled = minicnn.compile(model)
    with warnings.catch_warnings(record=True) as told, minicnn.no_grad():
        warnings.simplefilter("always")
        y = compiled(x)
    assert y.is_cuda
    assert "programs compute on the CPU" in str(told[0].message)
    with minicnn.no_grad():
        agree([on_host(y)], [on_host(model.cpu()(x.cpu()))], 1e-2)
    assert minicnn.autograd.gradcheck(
        lambda t: (t * t).sum(), minicnn.ones(2, 2, device=device).double().requires_grad_()
    )
