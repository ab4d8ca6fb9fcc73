"""CUDA graphs: a step that is captured and replayed does what the step does."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn as torch
from minicnn import nn, optim, train
from minicnn.core.errors import CaptureError
from minicnn.data import DataLoader, TensorDataset
from minicnn.nn import functional as F

from .conftest import ON_GPU
from .graphed import OPTIMIZERS, Net, Training, same


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
