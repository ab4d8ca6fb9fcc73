"""CUDA graphs: a step that is captured and replayed does what the step does."""

from __future__ import annotations

import gc
from contextlib import suppress

import numpy as np
import pytest

import minicnn as torch
from minicnn import nn, optim, train
from minicnn.core.errors import CaptureError
from minicnn.data import DataLoader, TensorDataset
from minicnn.nn import functional as F

from .conftest import ON_GPU


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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_replays_are_the_eager_steps_bit_for_bit(device, optimizer):
    """Losses, weights, running statistics, the optimiser's state; with dropout and a falling learning rate."""
    eager, graphed = Training(device, optimizer), Training(device, optimizer).graphed()
    assert eager.run() == graphed.run()
    assert graphed.do.captures == 1
    same(eager, graphed)


def test_eager_steps_go_on_where_replays_ended(device):
    eager, graphed = Training(device, "Adam"), Training(device, "Adam").graphed()
    eager.run()
    graphed.run()
    graphed.do = graphed.step
    assert eager.run() == graphed.run()
    same(eager, graphed)


def test_other_shapes_are_captured_too(device):
    """The last batch of an epoch is smaller."""
    sizes = (4, 4, 3) * 5
    eager, graphed = Training(device, "Adam"), Training(device, "Adam").graphed()
    assert eager.run(sizes) == graphed.run(sizes)
    assert graphed.do.captures == 2
    same(eager, graphed)


def test_no_more_graphs_than_allowed(device):
    sizes = (4, 3, 2) * 4
    eager, graphed = Training(device), Training(device).graphed(warmup=1, graphs=1)
    assert eager.run(sizes) == graphed.run(sizes)
    assert graphed.do.captures == 1
    same(eager, graphed)


def test_two_groups_with_learning_rates_of_their_own(device):
    def training():
        t = Training(device)
        params = list(t.model.parameters())
        t.optimizer = optim.AdamW([{"params": params[:2], "lr": 0.1}, {"params": params[2:]}], lr=0.01)
        t.scheduler = optim.lr_scheduler.LambdaLR(t.optimizer, [lambda e: 0.5**e, lambda e: 0.9**e])
        return t

    eager, graphed = training(), training().graphed()
    assert eager.run() == graphed.run()
    same(eager, graphed)


def test_every_replay_draws_another_mask(device):
    torch.manual_seed(3)
    eager = [F.dropout(torch.ones(50, device=device), 0.5).tolist() for _ in range(4)]
    torch.manual_seed(3)
    g, x = torch.cuda.CUDAGraph(), torch.ones(50, device=device)
    with torch.cuda.graph(g):
        y = F.dropout(x, 0.5)
    replayed = []
    for _ in range(4):
        g.replay()
        replayed.append(y.tolist())
    assert replayed == eager
    assert len({tuple(mask) for mask in replayed}) == 4
    torch.manual_seed(3)
    g.replay()
    assert y.tolist() == eager[0]


def test_random_numbers_of_a_graph(device):
    g = torch.cuda.CUDAGraph()
    torch.manual_seed(5)
    with torch.cuda.graph(g):
        y = torch.randn(20, device=device)
    drawn = []
    for _ in range(3):
        g.replay()
        drawn.append(y.tolist())
    torch.manual_seed(5)
    assert drawn == [torch.randn(20, device=device).tolist() for _ in range(3)]


@pytest.mark.skipif(ON_GPU, reason="the stand-in counts")
def test_a_replay_is_one_launch(device):
    """Beside it: a copy of each argument, one of the numbers that change, and one of the result, which then stays."""
    from tests import standin

    t = Training(device, "Adam").graphed()
    t.run((4,) * 4)
    x, labels = t.batch()
    with standin.counted() as counts:
        t.do(x, labels)
    assert counts == {
        "graph launches": 1,
        "host to device": 1,
        "library calls": 3,  # two arguments, one result
        "allocations": 1,
    }
    host = [v.cpu() for v in t.batch()]
    with standin.counted() as counts:
        t.do(*host)
    assert counts["host to device"] == 3
    assert counts["synchronisations"] == counts["device to host"] == 0


@pytest.mark.skipif(ON_GPU, reason="the stand-in counts")
def test_nothing_is_sent_that_has_not_changed(device):
    from tests import standin

    x, g = torch.ones(3, device=device), torch.cuda.CUDAGraph()
    w = torch.ones(3, device=device, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def step():
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    with torch.cuda.graph(g):
        step()
    g.replay()
    with standin.counted() as counts:
        g.replay()
    assert counts == {"graph launches": 1}
    optimizer.param_groups[0]["lr"] = 1.0
    with standin.counted() as counts:
        g.replay()
    assert counts == {"graph launches": 1, "host to device": 1}
    assert w.tolist() == [-1.0] * 3


def test_results_stay_when_the_next_replay_comes(device):
    step = torch.cuda.graph(lambda x: {"double": 2 * x, "parts": [x + 1, (x, "text")]}, warmup=0)
    results = [step(torch.full((2,), float(i), device=device)) for i in range(3)]
    assert [r["double"].tolist() for r in results] == [[0, 0], [2, 2], [4, 4]]
    assert [r["parts"][0].tolist() for r in results] == [[1, 1], [2, 2], [3, 3]]
    assert results[0]["parts"][1][1] == "text"


def test_arguments_that_are_no_tensors_are_part_of_the_graph(device):
    step = torch.cuda.graph(lambda x, factor=1: x * factor, warmup=0)
    x = torch.ones(2, device=device)
    assert [step(x, factor=f).tolist() for f in (2, 3, 2, 2.0)] == [[2, 2], [3, 3], [2, 2], [2, 2]]
    assert step.captures == 3
    with pytest.raises(TypeError, match=r"is a ndarray.*torch.as_tensor"):
        step(x, factor=np.ones(2, np.float32))


def test_gradients_alone(device):
    """The optimiser's step may stay outside; gradients that exist are added to."""
    model = nn.Linear(3, 2).to(device)
    x, g = torch.ones(4, 3, device=device), torch.cuda.CUDAGraph()
    model(x).sum().backward()
    expected = model.weight.grad.cpu()
    model.zero_grad()
    with torch.cuda.graph(g):
        model(x).sum().backward()
    g.replay()
    assert torch.equal(model.weight.grad.cpu(), expected)


def test_the_graph_as_in_pytorch(device):
    g = torch.cuda.CUDAGraph()
    x = torch.zeros(3, device=device)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            y = x * 2 + 1
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(g):
        assert torch.cuda.is_current_stream_capturing()
        y = x * 2 + 1
    assert not torch.cuda.is_current_stream_capturing()
    x.fill_(3)
    g.replay()
    assert y.tolist() == [7, 7, 7]
    shared = torch.cuda.CUDAGraph()
    with torch.cuda.graph(shared, pool=g.pool()):
        z = y + 1
    g.replay()
    shared.replay()
    assert z.tolist() == [8, 8, 8]
    g.reset()
    with pytest.raises(CaptureError, match="nothing to replay"):
        g.replay()


def test_memory_of_graphs_counts(device):
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    g, x = torch.cuda.CUDAGraph(), torch.zeros(1000, device=device)
    with torch.cuda.graph(g):
        y = (x + 1) * 2
    held = torch.cuda.memory_allocated() - before[0]
    assert held >= 8000  # x and y
    assert torch.cuda.memory_reserved() - before[1] >= 12000  # and what is between them
    del y
    g.reset()
    assert torch.cuda.memory_allocated() - before[0] < held


def test_results_outlive_their_graph(device):
    """CuPy's arrays do not keep the pool that they are of."""
    g, x = torch.cuda.CUDAGraph(), torch.ones(1000, device=device)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    with torch.cuda.graph(g):
        y = (x + 1) * 2
    g.replay()
    torch.cuda.synchronize()
    while_captured = torch.cuda.memory_reserved()
    del g
    gc.collect()
    assert y.tolist() == [4] * 1000
    assert 4000 <= torch.cuda.memory_reserved() - before < while_captured - before  # what is between them is free
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        z = x + 1
    g.replay()
    g.reset()
    assert z.tolist() == [2] * 1000


def test_gradients_outlive_the_step(device):
    t = Training(device).graphed()
    t.run((4,) * 5)
    expected = t.model.fc.bias.grad.cpu()
    t.do = None
    gc.collect()
    assert torch.equal(t.model.fc.bias.grad.cpu(), expected)
    assert not torch.isnan(expected).any()


def test_what_a_failed_capture_made_can_be_read(device):
    x, made = torch.ones(3, device=device), []
    with pytest.raises(ZeroDivisionError):
        capture(lambda: (made.append(x + 1), 1 / 0))
    gc.collect()
    made[0].fill_(2)
    assert made[0].tolist() == [2, 2, 2]


@pytest.mark.skipif(ON_GPU, reason="limits the stand-in's memory")
def test_a_capture_fails_when_memory_is_exhausted(device):
    """Then CuPy gives back what the pool keeps; but the kernels that are captured already write there."""
    from tests import standin

    part, whole = torch.ones(1 << 18, device=device), torch.ones(1 << 20, device=device)

    def work():
        for i in range(4):
            _ = part * i  # 1 MiB each, two at a time; kept by the pool
        del _
        return whole * 2  # 4 MiB

    torch.cuda.empty_cache()
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):  # what cuBLAS and the slots need is there
        pass
    g.reset()
    with (
        standin.memory_limit(torch.cuda.memory_reserved() + (4 << 20) + (600 << 10)),
        pytest.raises(torch.cuda.OutOfMemoryError, match=r"4.00 MiB were asked.*The CUDA graph.*has 2.00 MiB so far"),
        torch.cuda.graph(g),
    ):
        work()
    with torch.cuda.graph(g):
        y = work()
    g.replay()
    assert y.sum().item() == 1 << 21


@pytest.mark.skipif(ON_GPU, reason="looks at the stand-in's memory")
def test_workspaces_of_products(device, monkeypatch):
    """Graphs have their own, for they may run beside each other; and those of streams are let go."""
    from tests.standin import cublas

    a, graphs, used = torch.eye(4).to(device), [torch.cuda.CUDAGraph() for _ in range(2)], []
    monkeypatch.setattr(cublas, "perform", lambda work, blocks, *_: used.append(blocks[-1]))
    before = torch.cuda.memory_allocated()
    _ = a @ a
    for g in graphs:
        side = torch.cuda.Stream()
        with torch.cuda.graph(g):
            _ = a @ a
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # its handle is made here, and outlives the graph
                _ = a @ a
            torch.cuda.current_stream().wait_stream(side)
    _ = a @ a
    assert len({id(block) for block in used}) == 6
    assert [block.alive for block in used] == [False, *[True] * 5]  # what the stream had went before the captures
    graphs.clear()
    g = None
    with torch.cuda.stream(side):
        _ = a @ a
    assert used[-1].alive
    del _
    torch.cuda.empty_cache()
    assert not any(block.alive for block in used)
    assert torch.cuda.memory_allocated() == before


@pytest.mark.skipif(ON_GPU, reason="limits the stand-in's memory")
def test_memory_that_is_kept_for_arrays_is_free_for_graphs(device):
    from tests import standin

    x = torch.ones(1 << 18, device=device)
    step = torch.cuda.graph(lambda x: sum(y.sum() for y in [x * i for i in range(20)]), warmup=1)
    with standin.memory_limit(torch.cuda.memory_reserved() + (64 << 20)):  # 32 of them for cuBLAS
        expected = step(x).item()
        assert step(x).item() == expected


def test_begin_and_end_by_hand(device):
    g, x = torch.cuda.CUDAGraph(), torch.ones(2, device=device)
    with torch.cuda.stream(torch.cuda.Stream()):
        g.capture_begin(pool=torch.cuda.graph_pool_handle())
        y = x + 1
        g.capture_end()
    g.replay()
    assert y.tolist() == [2, 2]


def fitted(device, **options):
    torch.manual_seed(2)
    model = Net()
    x = torch.tensor(np.random.default_rng(0).standard_normal((22, 3, 6, 6)).astype(np.float32))
    data = TensorDataset(x, torch.arange(22) % 5)
    optimizer = optim.Adam(model.to(device).parameters(), lr=0.01)
    history = train.fit(
        model,
        DataLoader(data, batch_size=4, shuffle=True),
        DataLoader(data, batch_size=11),
        optimizer=optimizer,
        epochs=4,
        scheduler=optim.lr_scheduler.StepLR(optimizer, 1, 0.5),
        device=device,
        progress=False,
        **options,
    )
    return history, {name: value.cpu().numpy() for name, value in model.state_dict().items()}


def test_fit(device):
    """22 samples in batches of 4: the last one has 2, and is captured in the fourth epoch."""
    (eager, weights), (graphed, replayed) = fitted(device), fitted(device, cuda_graph=True)
    assert eager.rows == graphed.rows
    for name, value in weights.items():
        np.testing.assert_array_equal(value, replayed[name], err_msg=name)
    with pytest.raises(ValueError, match="one batch per step"):
        fitted(device, cuda_graph=True, accumulate=2)


def test_the_second_gpu(device):
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one GPU")
    with torch.cuda.device(1):
        eager, graphed = Training("cuda", "Adam"), Training("cuda", "Adam").graphed()
        assert eager.model.fc.weight.device == torch.device("cuda:1")
        assert eager.run() == graphed.run()
        same(eager, graphed)


def test_graphed_callables(device):
    """A module and a function of PyTorch's make_graphed_callables, with something between them that is not recorded."""
    results = []
    for graphed in (False, True):
        torch.manual_seed(4)
        model, head = Net().to(device), nn.Linear(5, 2).to(device)

        def loss_of(y, labels):
            return F.cross_entropy(y, labels)

        x, labels = torch.zeros(4, 3, 6, 6, device=device), torch.zeros(4, dtype=torch.int64, device=device)
        body, loss = model, loss_of
        if graphed:
            kept = {name: value.clone() for name, value in model.state_dict().items()}
            y = torch.zeros(4, 2, device=device, requires_grad=True)
            body, loss = torch.cuda.make_graphed_callables((model, loss_of), ((x,), (y, labels)))
            model.load_state_dict(kept)  # the runs before have changed the running statistics
        optimizer = optim.SGD([*model.parameters(), *head.parameters()], lr=0.1)
        torch.manual_seed(4)
        rng, losses = np.random.default_rng(0), []
        for _ in range(3):
            optimizer.zero_grad()
            images = torch.tensor(rng.standard_normal((4, 3, 6, 6)).astype(np.float32)).to(device)
            value = loss(head(F.relu(body(images))), labels + 1)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        model.eval()
        results.append((losses, model(images).tolist(), model.conv.weight.tolist(), head.weight.tolist()))
    assert results[0] == results[1]


def test_mistakes_with_graphed_callables(device):
    make, x = torch.cuda.make_graphed_callables, torch.ones(2, 3, device=device)
    layer = make(nn.Linear(3, 2).to(device), (x,))
    first, _ = layer(x).sum(), layer(x)
    with pytest.raises(CaptureError, match="called again"):
        first.backward()
    with pytest.raises(ValueError, match="as it was recorded with"):
        layer(torch.ones(4, 3, device=device))
    with pytest.raises(TypeError, match="tensors on a GPU"):
        make(nn.Linear(3, 2), (torch.ones(2, 3),))
    with pytest.raises(TypeError, match="a tensor or a tuple"):
        make(lambda x: [x], (x,))
    with pytest.raises(ValueError, match="2 callables and 1"):
        make((abs, abs), ((x,),))


# ------------------------------------------------------------------------------------------------------ mistakes


def capture(work):
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        work()


def vectorized(work):
    with torch.use_backend("numpy"):
        return work()


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda x: x.sum().item(), r"item\(\) needs a number that does not exist yet"),
        (lambda x: float(x[0]), r"float\(x\) needs a number"),
        (lambda x: print(x), "printing a tensor needs a number"),
        (lambda x: 1 if x.sum() > 0 else 2, r"the truth of a tensor \(if, while, and, or\)"),
        (lambda x: x.cpu(), r"cpu\(\) needs a number"),
        (lambda x: x[x > 0], "whose size depends on numbers"),
        (lambda x: x.nonzero(), "whose size depends on numbers"),
        (lambda x: x + torch.ones(3).to(x.device), r"to\(\) copies from the CPU"),
        (lambda x: x + torch.ones(3).pin_memory().to(x.device), r"to\(\) copies from the CPU"),
        (lambda x: torch.ones(3).pin_memory().to(x.device, non_blocking=True), r"to\(\) copies from the CPU"),
        (lambda x: x[[0, 2]], r"getitem\(\) copies from the CPU"),
        (lambda x: x[torch.tensor([0, 2])], r"getitem\(\) copies from the CPU"),
        (lambda x: x.repeat_interleave(2), r"repeat_interleave\(\) copies from the CPU"),
        (lambda x: vectorized(lambda: F.max_pool2d(x.reshape(1, 1, 1, 3), 1)), "copies from the CPU"),
        (lambda x: F.interpolate(x.reshape(1, 1, 1, 3), size=(7, 5)), r"interpolate\(\) copies from the CPU"),
        (lambda x: torch.cuda.synchronize(), "this waits for the GPU"),
    ],
)
def test_what_cannot_be_captured(device, work, says):
    x = torch.ones(3, device=device)
    with pytest.raises(CaptureError, match=says) as caught:
        capture(lambda: work(x))
    assert "test_graphs.py, line" in str(caught.value)
    assert "Fix:" in str(caught.value)
    assert not torch.cuda.is_current_stream_capturing()
    capture(lambda: x + 1)  # the next one begins afresh


def test_errors_that_show_at_the_end_of_a_capture(device):
    x, side = torch.ones(3, device=device), torch.cuda.Stream()

    def catches():
        with suppress(RuntimeError):
            torch.cuda.synchronize()

    def forks():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            x.add_(1)

    for work, says in ((catches, r"the program went on.*Invalidated"), (forks, r"wait_stream\(side\).*Unjoined")):
        with pytest.raises(CaptureError, match=says):
            capture(work)
        assert not torch.cuda.is_current_stream_capturing()
        capture(lambda: x + 1)
    assert x.tolist() == [1, 1, 1]


def test_indices_on_the_gpu_can_be_captured(device):
    x, i = torch.arange(3.0, device=device), torch.tensor([2, 0], device=device)
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        y = x[i]
    g.replay()
    assert y.tolist() == [2, 0]


def test_after_a_copy_that_was_refused(device):
    """Nothing is left of it: neither an event that can never be asked, nor a table in the graph's memory."""
    pinned, image = torch.ones(3).pin_memory(), torch.rand(1, 1, 4, 4)
    there = image.to(device)
    for work in (lambda: pinned.to(device, non_blocking=True), lambda: F.interpolate(there, size=(9, 3))):
        with pytest.raises(CaptureError, match="copies from the CPU"):
            capture(work)
    assert [pinned.to(device, non_blocking=True).tolist() for _ in range(2)] == [[1, 1, 1]] * 2
    assert torch.equal(F.interpolate(there, size=(9, 3)).cpu(), F.interpolate(image, size=(9, 3)))
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        y = F.interpolate(there, size=(9, 3))  # its tables are there by now
    g.replay()
    assert torch.equal(y.cpu(), F.interpolate(image, size=(9, 3)))


def test_copies_from_several_threads(device):
    """Each stream's copies end in their own order; the pinned memory is kept until they have."""
    from threading import Thread

    def send(results):
        with torch.cuda.stream(torch.cuda.Stream()):
            results += [torch.full((2,), float(i)).pin_memory().to(device, non_blocking=True) for i in range(50)]

    found = [[] for _ in range(4)]
    threads = [Thread(target=send, args=(results,)) for results in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.cuda.synchronize()
    assert [[t.tolist() for t in results] for results in found] == [[[i, i] for i in range(50)]] * 4


def test_other_errors_stay_what_they_are(device):
    x = torch.ones(3, device=device)
    with pytest.raises(ZeroDivisionError):
        capture(lambda: (x + 1, 1 / 0))
    with pytest.raises(ValueError, match="shape"):
        capture(lambda: x @ torch.ones(4, 2, device=device))
    capture(lambda: x + 1)


def test_a_capture_that_failed_counts_no_step(device):
    eager, graphed = Training(device, "Adam"), Training(device, "Adam")
    eager.run()
    graphed.run((4,) * 3)
    x, labels = torch.zeros(4, 3, 6, 6, device=device), torch.zeros(4, dtype=torch.int64, device=device)
    with pytest.raises(CaptureError, match="item"):
        capture(lambda: graphed.step(x, labels).item())
    graphed.run((4,) * 5, seed=None)
    same(eager, graphed)


def test_the_first_step_of_an_optimiser(device):
    t = Training(device, "Adam").graphed(warmup=0)
    with pytest.raises(CaptureError, match="Adam: the first step"):
        t.run()
    assert not t.optimizer.state
    t.graphed(warmup=1).run()
    eager = Training(device, "Adam")
    eager.run()
    t = Training(device, "SGD").graphed(warmup=0)  # has nothing to prepare
    t.run()


def test_an_optimiser_in_python(device):
    class Descent(optim.Optimizer):
        def update(self, param, grad, state, group):
            param -= group["lr"] * grad

    t = Training(device)
    t.optimizer = Descent(t.model.parameters(), {"lr": 0.1})
    t.scheduler = optim.lr_scheduler.ExponentialLR(t.optimizer, 0.9)
    with pytest.raises(CaptureError, match=r"Descent.update is Python"):
        t.graphed().run()


def test_a_scheduler_in_the_step(device):
    t = Training(device)
    scheduler = optim.lr_scheduler.ExponentialLR(t.optimizer, 0.9)

    def step(x, labels):
        loss = t.step(x, labels)
        scheduler.step()
        return loss

    t.do = torch.cuda.graph(step)
    with pytest.raises(CaptureError, match=r"scheduler.step\(\) outside"):
        t.run((4,) * 5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.optimizer.load_state_dict(t.optimizer.state_dict()), "no longer in the memory"),
        (lambda t: setattr(t.model.fc.weight, "data", t.model.fc.weight.data.clone()), "no longer in the memory"),
        (lambda t: t.optimizer.param_groups[0].update(momentum=0.5), "an option was 0.9"),
    ],
)
def test_what_does_not_fit_the_graph_any_more(device, change, says):
    t = Training(device).graphed()
    t.run((4,) * 5)
    change(t)
    with pytest.raises(CaptureError, match=says):
        t.run((4,))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: setattr(m[0].weight, "data", m[0].weight.data.clone()), "no longer in the memory where the graph"),
        (lambda m: setattr(m[2].weight, "data", m[2].weight.data.clone()), r"\(2, 5\) is no longer in the memory"),
        (lambda m: m.cpu(), "no longer in the memory"),
        (lambda m: m[0].weight.requires_grad_(True), "was False when the graph was captured and is True now"),
        (lambda m: m[2].bias.requires_grad_(False), "was True when the graph was captured and is False now"),
    ],
)
def test_gradients_alone_notice_what_does_not_fit_any_more(device, change, says):
    """Without a step of an optimiser in the graph, and with frozen weights."""
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).to(device)
    model[0].weight.requires_grad_(False)

    def forward_and_backward(x):
        model.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        return loss

    step, x = torch.cuda.graph(forward_and_backward, warmup=1), torch.ones(4, 3, device=device)
    expected = step(x).item()
    assert step(x).item() == step(x).item() == expected
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    assert step(x).item() == expected
    change(model)
    with pytest.raises(CaptureError, match=says):
        step(x)


def test_the_memory_that_a_graph_reads_is_kept(device):
    scale, x, g = torch.full((1000,), 3.0, device=device), torch.ones(1000, device=device), torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        y = scale * x
    del scale
    others = [torch.zeros(1000, device=device) for _ in range(3)]
    g.replay()
    assert y.tolist() == [3] * 1000
    assert not any(other.any() for other in others)


def test_the_mode_of_a_module(device):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)).to(device), torch.randn(8, 3).to(device)
    for run in (torch.cuda.graph(model, warmup=0), torch.cuda.graph(model.forward, warmup=0)):
        model.train()
        run(x)
        model.eval()
        assert torch.equal(run(x), model(x).detach())
        model[0].train()
        assert not torch.equal(run(x), run(x))
        assert run.captures == 3


def test_weights_may_be_loaded(device):
    """They are written to where they are."""
    eager, graphed = Training(device), Training(device).graphed()
    kept = {name: value.clone() for name, value in eager.model.state_dict().items()}
    for t in (eager, graphed):
        t.run((4,) * 5)
        t.model.load_state_dict(kept)
    assert eager.run() == graphed.run()
    same(eager, graphed)


def test_parameters_on_the_cpu(device):
    w = torch.ones(3, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    w.grad = torch.ones(3)
    with pytest.raises(CaptureError, match="the parameters are on cpu"):
        capture(optimizer.step)


def test_one_capture_at_a_time(device):
    with pytest.raises(CaptureError, match="being captured already"):
        capture(lambda: capture(lambda: None))
    g = torch.cuda.CUDAGraph()
    with pytest.raises(CaptureError, match="default stream"):
        g.capture_begin()
    with pytest.raises(CaptureError, match="no capture has begun"):
        g.capture_end()
    with torch.cuda.graph(g):
        pass
    with pytest.raises(CaptureError, match="captured already"):
        capture_into(g)
    with pytest.raises(CaptureError, match="no memory before"):
        torch.cuda.CUDAGraph().pool()


def capture_into(g):
    with torch.cuda.graph(g):
        pass


def test_wrong_arguments(device):
    with pytest.raises(TypeError, match="expected a CUDAGraph or a function"):
        torch.cuda.graph(3)
    with pytest.raises(ValueError, match="warmup must be a whole number"):
        torch.cuda.graph(lambda: None, warmup=-1)
    with pytest.raises(ValueError, match="capture_error_mode"):
        torch.cuda.CUDAGraph().capture_begin(capture_error_mode="strict")
    with pytest.raises(ValueError, match="requires a gradient"):
        torch.cuda.graph(lambda x: x)(torch.ones(2, requires_grad=True))


def test_decorators(device):
    @torch.cuda.graph
    def double(x):
        """Twice."""
        return 2 * x

    @torch.cuda.graph(warmup=0)
    def triple(x):
        return 3 * x

    x = torch.ones(2, device=device)
    assert (double.__name__, double.__doc__) == ("double", "Twice.")
    assert double(x).tolist() == [2, 2]
    assert triple(x).tolist() == [3, 3]
    assert (double.captures, triple.captures) == (0, 1)


@pytest.mark.skipif(ON_GPU, reason="there is a GPU")
def test_without_a_gpu():
    for make in (torch.cuda.CUDAGraph, torch.cuda.Stream, torch.cuda.Event, lambda: torch.cuda.graph(lambda: None)):
        with pytest.raises(ValueError, match="cannot be used"):
            make()
    assert not torch.cuda.is_current_stream_capturing()
    with torch.cuda.stream(None):
        pass


# ---------------------------------------------------------------------------------------------- streams and events


def test_streams(device):
    default, side = torch.cuda.default_stream(), torch.cuda.Stream()
    assert torch.cuda.current_stream() == default != side
    assert default.cuda_stream == 0
    with torch.cuda.stream(side):
        assert torch.cuda.current_stream() == side
        x = torch.ones(3, device=device) + 1
    default.wait_stream(side)
    assert (x + 1).tolist() == [3, 3, 3]
    torch.cuda.set_stream(side)
    assert torch.cuda.current_stream() == side
    torch.cuda.set_stream(default)
    side.synchronize()
    assert side.query()
    assert side in {side}
    assert "cuda:0" in repr(side)


def test_events(device):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    assert start.query()
    with pytest.raises(ValueError, match="must have been recorded"):
        start.elapsed_time(end)
    start.record()
    torch.ones(3, device=device)
    torch.cuda.current_stream().record_event(end)
    end.synchronize()
    assert end.query()
    assert start.elapsed_time(end) >= 0
    end.wait(torch.cuda.Stream())
    with pytest.raises(ValueError, match="enable_timing=True"):
        start.elapsed_time(torch.cuda.Event())
