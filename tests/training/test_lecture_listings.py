"""Listings of a vision course, written for PyTorch, run with only their import lines changed, to the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn

PYTORCH = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset
"""
MINICNN = """
import minicnn as torch
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn.data import DataLoader, TensorDataset
"""

CONVNET = """
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=5, stride=1, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2))
        self.layer2 = nn.Sequential(
            nn.Conv2d(4, 8, kernel_size=5, stride=1, padding=2),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2))
        self.fc1 = nn.Linear(3 * 3 * 8, 20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x):
        out = self.layer1(x)
        out = self.layer2(out)
        out = out.reshape(out.size(0), -1)
        out = F.relu(self.fc1(out))
        return self.fc2(out)

model = Net()
"""

LENET = """
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc = nn.Linear(8 * 4, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(F.sigmoid(self.conv2(x)), 2)
        return self.fc(torch.flatten(x, 1))

    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features

model = LeNet()
assert model.num_flat_features(torch.zeros(2, 3, 4)) == 12
"""

RESIDUAL = """
def conv3x3(in_planes, out_planes, stride=1):
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=1, bias=False)

class BasicBlock(nn.Module):
    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)

model = nn.Sequential(
    conv3x3(1, 4), nn.BatchNorm2d(4), nn.ReLU(),
    BasicBlock(4, 4),
    BasicBlock(4, 8, 2, nn.Sequential(nn.Conv2d(4, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))),
    nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(8, 10))
for m in model.modules():
    if isinstance(m, nn.BatchNorm2d):
        nn.init.constant_(m.weight, 1)
        nn.init.constant_(m.bias, 0)
"""

INCEPTION = """
class Inception(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.b1 = nn.Conv2d(channels, 2, kernel_size=1)
        self.b2 = nn.Sequential(nn.Conv2d(channels, 3, 1), nn.ReLU(True), nn.Conv2d(3, 4, 3, padding=1))
        self.b3 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(channels, 2, 1))

    def forward(self, x):
        return torch.cat([self.b1(x), self.b2(x), self.b3(x)], 1)

model = nn.Sequential(
    Inception(1), nn.LeakyReLU(0.1), Inception(8), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 36, 10))
"""

SEGMENTATION = """
class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2, stride=2, return_indices=True)
        self.middle = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.unpool = nn.MaxUnpool2d(2, stride=2)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.head = nn.Conv2d(12, 10, 1)

    def forward(self, x):
        skip = F.relu(self.down(x))
        pooled, indices = self.pool(skip)
        deep = F.relu(self.middle(pooled))
        joined = torch.cat((skip, self.unpool(deep, indices), self.up(deep)), dim=1)
        joined = F.interpolate(joined, scale_factor=0.5, mode='bilinear', align_corners=False)
        return self.head(joined).mean(dim=(2, 3))

model = UNet()
"""

TRAIN = """
criterion = nn.CrossEntropyLoss()
optimizer = optim.{optimizer}
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
loader = DataLoader(TensorDataset(images, labels), batch_size=5, shuffle=False)
loss_list, acc_list = [], []
for epoch in range(3):
    model.train()
    for i, (x, y) in enumerate(loader):
        outputs = model(x)
        loss = criterion(outputs, y)
        loss_list.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        total = y.size(0)
        _, predicted = torch.max(outputs.data, 1)
        correct = (predicted == y).sum().item()
        acc_list.append(correct / total)
    scheduler.step()
model.eval()
with torch.no_grad():
    correct = 0
    for x, y in loader:
        outputs = model(x)
        correct += (outputs.argmax(dim=1) == y).type(torch.float).sum().item()
    final = model(images).detach().cpu().numpy()
"""

MODELS = {
    "convnet": CONVNET,
    "lenet": LENET,
    "residual": RESIDUAL,
    "inception": INCEPTION,
    "segmentation": SEGMENTATION,
}
OPTIMIZERS = [
    "SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)",
    "Adam(model.parameters(), lr=0.01)",
    "RMSprop([{'params': [*model.parameters()][:2], 'lr': 1e-3}, {'params': [*model.parameters()][2:]}], lr=1e-2)",
]


def _run(
    imports: str, root: Any, listing: str, optimizer: str, weights: dict[str, np.ndarray] | None
) -> dict[str, Any]:
    """Define the model in double precision, give it ``weights``, train it; the listing's variables."""
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((20, 1, 12, 12)), rng.integers(0, 10, 20)
    scope: dict[str, Any] = {"__name__": "listing"}
    exec(imports, scope)
    exec(listing, scope)
    model = scope["model"].double()
    if weights is not None:
        model.load_state_dict({k: root.from_numpy(np.array(v)) for k, v in weights.items()})
    scope["initial"] = {k: np.array(v.detach().numpy()) for k, v in model.state_dict().items()}
    scope |= {"images": root.from_numpy(images.copy()), "labels": root.from_numpy(labels.copy())}
    exec(TRAIN.replace("{optimizer}", optimizer), scope)
    return scope


def _every_pair() -> list[Any]:
    """Each listing with each optimiser; the first one of each listing is quick."""
    return [
        pytest.param(name, text, id=f"{name}-{text.partition('(')[0]}", marks=[pytest.mark.slow] if i else [])
        for name in MODELS
        for i, text in enumerate(OPTIMIZERS)
    ]


@pytest.mark.parametrize(("name", "optimizer"), _every_pair())
def test_a_listing_trains_to_the_same_numbers(name: str, optimizer: str) -> None:
    listing = MODELS[name]
    torch.manual_seed(0)
    theirs = _run(PYTORCH, torch, listing, optimizer, None)
    ours = _run(MINICNN, minicnn, listing, optimizer, theirs["initial"])
    assert str(ours["model"]) == str(theirs["model"])
    np.testing.assert_allclose(ours["loss_list"], theirs["loss_list"], rtol=1e-7)
    assert ours["acc_list"] == theirs["acc_list"]
    assert ours["correct"] == theirs["correct"]
    np.testing.assert_allclose(ours["final"], theirs["final"], rtol=1e-6, atol=1e-8)
    for key, value in theirs["model"].state_dict().items():
        mine = ours["model"].state_dict()[key]
        np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol=1e-6, atol=1e-9, err_msg=key)


def test_a_state_dict_of_ours_loads_into_pytorch() -> None:
    scope: dict[str, Any] = {"__name__": "listing"}
    exec(MINICNN, scope)
    exec(RESIDUAL, scope)
    state = {k: torch.from_numpy(np.array(v.numpy())) for k, v in scope["model"].state_dict().items()}
    twin: dict[str, Any] = {"__name__": "listing"}
    exec(PYTORCH, twin)
    exec(RESIDUAL, twin)
    twin["model"].load_state_dict(state)
    x = np.random.default_rng(0).standard_normal((2, 1, 12, 12)).astype(np.float32)
    twin["model"].eval()
    scope["model"].eval()
    with torch.no_grad():
        theirs = twin["model"](torch.from_numpy(x)).numpy()
    with minicnn.no_grad():
        ours = scope["model"](minicnn.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
