"""The memory of CUDA graphs: apart from all other, and there for as long as somebody uses it."""

from __future__ import annotations

import gc

import pytest

import minicnn as torch

from .conftest import ON_GPU
from .graphed import Training, capture


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


def test_the_memory_that_a_graph_reads_is_kept(device):
    scale, x, g = torch.full((1000,), 3.0, device=device), torch.ones(1000, device=device), torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        y = scale * x
    del scale
    others = [torch.zeros(1000, device=device) for _ in range(3)]
    g.replay()
    assert y.tolist() == [3] * 1000
    assert not any(other.any() for other in others)
