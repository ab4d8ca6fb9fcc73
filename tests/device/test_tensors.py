"""Where a tensor is: made there, moved, printed, copied, handed to others, and what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import precision

import minicnn
from minicnn import nn
from minicnn.core.errors import DeviceError

from .conftest import ON_GPU
from .twin import agree, on_host


def test_tensors_move_as_in_pytorch(device: str) -> None:
    x = minicnn.arange(6).reshape(2, 3)
    y = x.to(device)
    assert (x.device, y.device) == (minicnn.device("cpu"), minicnn.device("cuda:0"))
    assert (x.is_cuda, y.is_cuda, x.get_device(), y.get_device()) == (False, True, -1, 0)
    assert y.cpu().tolist() == y.tolist() == x.tolist()
    assert y.to(device) is y.cuda() is y
    assert x.cpu() is x.to("cpu") is x
    assert y.to(device, copy=True) is not y
    for moved in (
        x.to(minicnn.device(device), minicnn.float64, non_blocking=True),
        x.to(device, minicnn.float64, True),
        x.to(device=device, dtype=minicnn.float64),
        x.to(0, minicnn.float64),
        x.to(minicnn.zeros(1, device=device, dtype=minicnn.float64)),
        x.type_as(minicnn.zeros(1, device=device, dtype=minicnn.float64)),
        x.cuda(0).double(),
    ):
        assert moved.is_cuda
        assert moved.dtype == minicnn.float64
        assert moved.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_order_in_memory_is_kept(device: str) -> None:
    x = minicnn.rand(2, 3, 4, 5).contiguous(memory_format=minicnn.channels_last)
    y = x.to(device)
    assert y.is_contiguous(memory_format=minicnn.channels_last)
    back = y.cpu()
    assert back.stride() == x.stride()
    assert minicnn.equal(back, x)
    narrow = minicnn.arange(12).reshape(3, 4)[:, 1:3]
    assert narrow.to(device).tolist() == narrow.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: minicnn.tensor([1.0, 2.0], **o),
        lambda **o: minicnn.as_tensor([1.0, 2.0], **o),
        lambda **o: minicnn.asarray(np.ones(2), **o),
        lambda **o: minicnn.zeros(2, **o),
        lambda **o: minicnn.ones(2, **o),
        lambda **o: minicnn.empty(2, **o),
        lambda **o: minicnn.full((2,), 3.0, **o),
        lambda **o: minicnn.arange(2, **o),
        lambda **o: minicnn.linspace(0, 1, 2, **o),
        lambda **o: minicnn.logspace(0, 1, 2, **o),
        lambda **o: minicnn.eye(2, **o),
        lambda **o: minicnn.rand(2, **o),
        lambda **o: minicnn.randn(2, **o),
        lambda **o: minicnn.randint(3, (2,), **o),
        lambda **o: minicnn.randperm(2, **o),
        lambda **o: minicnn.normal(0.0, 1.0, (2,), **o),
        lambda **o: minicnn.zeros_like(minicnn.ones(2), **o),
        lambda **o: minicnn.full_like(minicnn.ones(2), 2, **o),
        lambda **o: minicnn.rand_like(minicnn.ones(2), **o),
        lambda **o: minicnn.ones(2).new_zeros(2, **o),
        lambda **o: minicnn.ones(2).new_full((2,), 1, **o),
        lambda **o: minicnn.ones(2).new_tensor([1, 2], **o),
        lambda **o: nn.Conv2d(1, 2, 3, **o).weight,
        lambda **o: nn.BatchNorm2d(2, **o).running_var,
        lambda **o: nn.Linear(1, 2, **o).bias,
    ],
)
def test_tensors_are_made_on_the_device_that_is_named(device: str, make: Any) -> None:
    assert make(device=device).device == minicnn.device("cuda:0")
    assert make().device == minicnn.device("cpu")


def test_the_default_device(device: str) -> None:
    with minicnn.device(device):
        assert minicnn.zeros(2).is_cuda
        assert nn.Linear(2, 2).weight.is_cuda
        with minicnn.device("cpu"):
            assert not minicnn.rand(2).is_cuda
        assert minicnn.tensor(1.0).is_cuda
    assert not minicnn.zeros(2).is_cuda
    minicnn.set_default_device(device)
    try:
        assert minicnn.arange(3).is_cuda
        assert minicnn.get_default_device().type == "cuda"
    finally:
        minicnn.set_default_device(None)
    assert not minicnn.arange(3).is_cuda


def test_what_is_made_from_a_tensor_is_where_it_is(device: str) -> None:
    x = minicnn.ones(2, 3, device=device)
    for y in (
        *(x.new_zeros(2), x.new_ones(2), x.new_empty(2), x.new_full((2,), 1), x.new_tensor([1])),
        *(minicnn.zeros_like(x), minicnn.ones_like(x), minicnn.empty_like(x), minicnn.full_like(x, 2)),
        *(minicnn.rand_like(x), minicnn.randn_like(x), minicnn.randint_like(x, 3), minicnn.tensor(x)),
        *(x.clone(), x.detach(), x.data, x[0], x > 0, x.long(), copy.deepcopy(x), minicnn.as_tensor(x)),
    ):
        assert y.is_cuda
    assert minicnn.as_tensor(x) is x
    assert minicnn.tensor([x[0, 0], 2.0]).tolist() == [1, 2]


def test_printing(device: str) -> None:
    assert repr(minicnn.tensor([1.0, 2.0], device=device)) == "tensor([1., 2.], device='cuda:0')"
    text = repr(minicnn.ones(2, dtype=minicnn.float64, device=device).requires_grad_())
    assert text == "tensor([1., 1.], device='cuda:0', dtype=minicnn.float64, requires_grad=True)"
    assert f"{minicnn.tensor(2.5, device=device):.2f}" == "2.50"


def test_numbers_leave_by_way_of_the_cpu(device: str) -> None:
    x = minicnn.tensor([1.0, 2.0], device=device, requires_grad=True)
    with pytest.raises(TypeError, match=r"this tensor is on cuda:0.* Fix: x\.cpu\(\)\.numpy\(\)"):
        x.detach().numpy()
    with pytest.raises(RuntimeError, match=r"x\.detach\(\)"):
        x.numpy()
    with pytest.raises(TypeError, match=r"x\.cpu\(\)"):
        np.asarray(x.detach())
    assert x.numpy(force=True).tolist() == [1, 2]
    assert float(x.sum()) == 3
    assert [int(x.argmax()), bool(x.any()), x.detach().max().item()] == [1, True, 2.0]
    assert list(range(minicnn.tensor(2, device=device))) == [0, 1]
    assert 2.0 in x


def test_copies_and_pickles_know_where_they_were(device: str) -> None:
    x = minicnn.tensor([1.0, 2.0], device=device, requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.is_cuda
        assert y.requires_grad
        assert y.tolist() == [1, 2]
    assert pickle.loads(pickle.dumps(minicnn.device("cuda", 1))) == minicnn.device("cuda:1")
    model = copy.deepcopy(nn.Linear(2, 2).to(device))
    assert model.weight.is_cuda


def test_other_libraries_share_the_memory(device: str) -> None:
    cupy = minicnn.core.device.cupy()
    x = minicnn.zeros(3, device=device)
    assert x.__cuda_array_interface__["shape"] == (3,)
    assert not hasattr(minicnn.zeros(3), "__cuda_array_interface__")
    assert x.__dlpack_device__()[0] == 2
    theirs = cupy.arange(3, dtype="float32")
    ours = minicnn.as_tensor(theirs)
    theirs += 1
    assert ours.tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match=r"x\.detach\(\)"):
        _ = minicnn.zeros(3, device=device, requires_grad=True).__cuda_array_interface__


def test_writing_in_place(device: str) -> None:
    x = minicnn.zeros(3, 4, device=device)
    x[0] = 1
    x[:, 1] = minicnn.tensor([5.0, 6.0, 7.0])  # from the CPU, as copy_ does
    x[x == 0] = -1
    x[2, minicnn.tensor([2, 3])] = 9.0
    x += 1
    x.mul_(2).sub_(minicnn.tensor(1.0))
    assert x.tolist() == [[3, 11, 3, 3], [-1, 13, -1, -1], [-1, 15, 19, 19]]
    x.copy_(minicnn.arange(12).reshape(3, 4))
    x.fill_diagonal_(-1)
    assert x.tolist() == [[-1, 1, 2, 3], [4, -1, 6, 7], [8, 9, -1, 11]]
    host = minicnn.zeros(3, 4)
    host.copy_(x)
    host[0] = x[1]
    assert host[:2].tolist() == [[4, -1, 6, 7]] * 2
    with pytest.raises(ValueError, match="cannot be written"):
        minicnn.zeros(1, 3, device=device).expand(2, 3).zero_()
    with pytest.raises(ValueError, match="cannot be written"):
        minicnn.arange(5, device=device).unfold(0, 3, 1).zero_()


def test_indices_may_be_on_the_cpu(device: str) -> None:
    x = minicnn.arange(12, device=device).reshape(3, 4)
    i = minicnn.tensor([2, 0])
    assert x[i].tolist() == x[i.to(device)].tolist() == x[[2, 0]].tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert x[:, 1][minicnn.tensor([True, False, True])].tolist() == [1, 9]
    assert x[minicnn.tensor(1, device=device)].tolist() == [4, 5, 6, 7]
    with pytest.raises(IndexError, match="indices must lie in"):
        x.gather(1, minicnn.full((3, 1), 4, device=device, dtype=minicnn.int64))


@pytest.mark.parametrize("wrong", [[5], [0, -3], [[1], [2]]])
def test_indices_out_of_range(device: str, wrong: list[Any]) -> None:
    """CuPy wraps them round: x[[5]] of two rows would be row 1."""
    x = minicnn.arange(6.0, device=device).reshape(2, 3)
    bad = next(i for i in np.ravel(wrong) if not -2 <= i < 2)
    on_cpu = minicnn.tensor(wrong)
    for index in (wrong, on_cpu, on_cpu.to(device)):
        message = rf"indices of dimension 0 must lie in \[-2, 1\]; got {bad}$"
        with pytest.raises(IndexError, match="getitem: " + message):
            x[index]
        with pytest.raises(IndexError, match="setitem: " + message):
            x[index] = 0.0
    there = on_cpu.to(device)
    for accumulate, operation in ((False, "setitem"), (True, "index_put")):
        with pytest.raises(IndexError, match=operation):
            minicnn.index_put(x, (there,), minicnn.zeros(3, device=device), accumulate)
    with pytest.raises(IndexError, match=r"dimension 1 must lie in \[-3, 2\]; got 7"):
        x[x[:, 0] >= 0, minicnn.tensor([0, 7], device=device)]
    with pytest.raises(IndexError, match=r"must lie in \[-6, 5\]; got 6"):
        x.take(minicnn.tensor([6], device=device))
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x[[-1, 0, -2]].tolist() == [[3, 4, 5], [0, 1, 2], [0, 1, 2]]
    x[minicnn.tensor([-1], device=device), [-3]] = 9.0
    assert x[None, ..., [-1, 0]].tolist() == [[[2, 0], [5, 9]]]
    assert x[:, [[0], [-1]]].shape == (2, 2, 1)
    assert x[:0, []].shape == (0, 0)


def test_gradients_travel_between_devices(device: str) -> None:
    x = minicnn.tensor([1.0, 2.0], requires_grad=True)
    (x.to(device) ** 2).sum().backward()
    assert x.grad is not None
    assert x.grad.device == minicnn.device("cpu")
    assert x.grad.tolist() == [2, 4]
    y = minicnn.tensor([1.0, 2.0], device=device, requires_grad=True)
    (y.cpu() * y.cpu()).sum().backward()
    assert y.grad is not None
    assert y.grad.is_cuda
    assert y.grad.tolist() == [2, 4]


def test_numbers_on_the_cpu_mix_with_tensors_on_a_gpu(device: str) -> None:
    x = minicnn.tensor([1.0, 2.0], device=device, requires_grad=True)
    scale = minicnn.tensor(3.0, requires_grad=True)
    y = x * minicnn.tensor(2.0) + scale - np.float32(1)
    assert y.tolist() == [4, 6]
    (y * scale).sum().backward()
    assert scale.grad is not None
    assert scale.grad.device == minicnn.device("cpu")
    assert scale.grad.item() == 4 + 6 + 2 * 3
    assert x.grad is not None
    assert x.grad.tolist() == [6, 6]
    assert minicnn.where(x > 1, x, minicnn.tensor(0.0)).tolist() == [0, 2]
    assert x.clamp(min=minicnn.tensor(1.5)).tolist() == [1.5, 2]
    assert (x == minicnn.tensor(2.0)).tolist() == [False, True]
    assert minicnn.maximum(minicnn.tensor(1.5), x).tolist() == [1.5, 2]
    assert (minicnn.tensor(2, device=device) + minicnn.tensor(1.5)).item() == 3.5


MIXED = [
    (lambda a, b: a + b, r"add: .*input on cuda:0, other on cpu"),
    (lambda a, b: b * a, r"mul: .*input on cpu, other on cuda:0"),
    (lambda a, b: a @ b, r"MatMul: .*a on cuda:0, b on cpu"),
    (lambda a, b: minicnn.cat((a, b)), r"Cat: .*on cuda:0.* on cpu"),
    (lambda a, b: minicnn.where(a > 0, a, b), r"where: .*the first and the second on cuda:0, the third on cpu"),
    (lambda a, b: nn.functional.linear(a, b), r"Linear: .*x on cuda:0, weight on cpu"),
    (lambda a, b: nn.functional.mse_loss(a, b), r"sub: .*on cuda:0"),
    (lambda a, b: a == b, "eq"),
    (lambda a, b: minicnn.logical_and(a, b), "logical_and"),
    (lambda a, b: minicnn.isclose(a, b), "isclose"),
]


@pytest.mark.parametrize(("operation", "message"), MIXED)
def test_other_tensors_do_not_mix(device: str, operation: Any, message: str) -> None:
    a, b = minicnn.ones(2, 2, device=device), minicnn.ones(2, 2)
    with pytest.raises(DeviceError, match=f"{message}.*Fix: ") as caught:
        operation(a, b)
    assert "expected all tensors to be on the same device" in str(caught.value)


def test_the_layer_whose_input_is_elsewhere_is_named(device: str) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with pytest.raises(DeviceError) as caught:
        model.to(device)(minicnn.zeros(1, 1, 4, 4))
    assert str(caught.value) == (
        "Conv2d: expected all tensors to be on the same device, but found x on cpu, w and bias on cuda:0. "
        "Fix: images = images.to('cuda:0') before model(images); the model is on cuda:0\n"
        "  in layer '0': Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))"
    )
    with pytest.raises(DeviceError, match=r"Fix: model\.to\('cuda:0'\)"), minicnn.no_grad():
        model.cpu()(minicnn.zeros(1, 1, 4, 4, device=device))


@pytest.mark.skipif(ON_GPU, reason="there may be one GPU")
def test_two_gpus(device: str) -> None:
    assert minicnn.cuda.device_count() == 2
    a, b = minicnn.ones(2, 2, device="cuda:0"), minicnn.ones(2, 2, device="cuda:1")
    assert b.device == minicnn.device("cuda", 1)
    with pytest.raises(DeviceError, match="input on cuda:0, other on cuda:1"):
        a + b
    layer = nn.Linear(2, 2).to("cuda:1")
    y = layer(b).sum()
    y.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.device == b.device
    assert minicnn.cuda.current_device() == 0
    with minicnn.cuda.device(1):
        assert minicnn.cuda.current_device() == 1
        assert minicnn.zeros(1, device="cuda").get_device() == 1
    assert a.to("cuda:1").device == b.device
    minicnn.cuda.set_device(1)
    try:
        assert minicnn.zeros(1).cuda().get_device() == 1
    finally:
        minicnn.cuda.set_device(0)
    with pytest.raises(DeviceError, match=r"there are 2 GPUs, numbered from 0. Fix: 'cuda:1' or less"):
        minicnn.zeros(1, device="cuda:2")


def test_a_convolution_on_a_gpu_that_is_not_the_current_one(device: str) -> None:
    if minicnn.cuda.device_count() < 2:
        pytest.skip("there is one GPU")
    layer = nn.Conv2d(8, 4, 3, padding=1)
    x = minicnn.randn(2, 8, 5, 5)
    found = []
    with precision.set_conv_tf32(False):
        for where in ("cpu", "cuda:1"):
            layer = layer.to(where)
            layer.zero_grad()
            given = x.to(where).detach().requires_grad_()
            y = layer(given)
            y.square().sum().backward()
            results = y, given.grad, layer.weight.grad, layer.bias.grad
            assert all(t.device == minicnn.device(where) for t in results)
            found.append([on_host(t) for t in results])
    assert minicnn.cuda.current_device() == 0
    agree(found[1], found[0], 1e-4)


@pytest.mark.skipif(ON_GPU, reason="there may be one GPU")
def test_a_copy_between_gpus_waits_for_its_source(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs have no common order: the copy comes after the source's work, and before what the source does next."""
    from tests.standin import memory, streams

    x = minicnn.ones(3, 2, device="cuda:0")
    events: list[Any] = []
    done: list[tuple[Any, ...]] = []  # and on which GPU it was, for the default streams are those of the current one
    record, wait, copy = streams.Event.record, streams.Stream.wait_event, memory.MemoryPointer.copy_from_device_async

    def recording(event: Any, stream: Any) -> None:
        events.append(event)
        done.append(("record", streams.current_device()))
        record(event, stream)

    def waiting(stream: Any, event: Any) -> None:
        done.append(("wait", streams.current_device(), events.index(event)))
        wait(stream, event)

    def copying(*arguments: Any) -> None:
        done.append(("copy", streams.current_device()))
        copy(*arguments)

    monkeypatch.setattr(streams.Event, "record", recording)
    monkeypatch.setattr(streams.Stream, "wait_event", waiting)
    monkeypatch.setattr(memory.MemoryPointer, "copy_from_device_async", copying)
    y = x.to("cuda:1")
    assert done == [("record", 0), ("wait", 1, 0), ("copy", 1), ("record", 1), ("wait", 0, 1)]
    assert y.device == minicnn.device("cuda:1")
    assert y.tolist() == [[1, 1]] * 3
