"""Streams and events."""

from __future__ import annotations

import pytest

import minicnn as torch


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
