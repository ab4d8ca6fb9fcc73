"""What the tests of CUDA graphs share: a network, its training, and a capture."""

from __future__ import annotations

import numpy as np

import minicnn as torch
from minicnn import nn, optim
from minicnn.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.fc(self.drop(x.flatten(1)))


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01, lr_decay=0.1),
    "Adadelta": lambda p: optim.Adadelta(p),
}


class Training:
    """A network, its optimiser, a schedule, and the step that changes it."""

    def __init__(self, device, optimizer="momentum", **options):
        torch.manual_seed(1)
        self.model = Net().to(device)
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.scheduler = optim.lr_scheduler.StepLR(self.optimizer, 2, 0.7)
        self.rng = np.random.default_rng(0)
        self.device = device
        self.do = self.step

    def graphed(self, **options):
        self.do = torch.cuda.graph(self.step, **options)
        return self

    def step(self, x, labels):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def batch(self, size=4):
        x = torch.tensor(self.rng.standard_normal((size, 3, 6, 6)).astype(np.float32))
        return x.to(self.device), torch.tensor(self.rng.integers(0, 5, size)).to(self.device)

    def run(self, sizes=(4,) * 8, seed=7):
        if seed is not None:
            torch.manual_seed(seed)
        losses = []
        for size in sizes:
            losses.append(self.do(*self.batch(size)))
            self.scheduler.step()
        return [loss.item() for loss in losses]

    def numbers(self):
        state = self.model.state_dict()
        for i, values in self.optimizer.state_dict()["state"].items():
            state.update({f"optimizer {i} {name}": value for name, value in values.items() if value is not None})
        return {name: value.cpu().numpy() for name, value in state.items()}


def same(a, b):
    a, b = a.numbers(), b.numbers()
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def capture(work):
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        work()
