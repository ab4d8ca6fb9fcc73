"""CUDA graphs: what cannot be captured, and what does not fit a graph any more."""

from __future__ import annotations

from contextlib import suppress

import pytest

import minicnn as torch
from minicnn import nn, optim
from minicnn.core.errors import CaptureError
from minicnn.nn import functional as F

from .conftest import ON_GPU
from .graphed import Training, capture, same


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
    assert "test_graph_mistakes.py, line" in str(caught.value)
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
