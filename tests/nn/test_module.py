"""What a Module does beside computing: registering, walking, hooks, copying, converting, naming its errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn

BOTH = pytest.mark.parametrize("library", [minicnn, torch], ids=["minicnn", "torch"])


def make(library: Any) -> Any:
    """A network with nesting, a shared layer, a shared parameter and buffers."""

    class Block(library.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = library.nn.Parameter(library.ones(1))
            self.conv = library.nn.Conv2d(2, 2, 3, padding=1)
            self.norm = library.nn.BatchNorm2d(2)

        def forward(self, x: Any) -> Any:
            return self.norm(self.conv(x)) * self.scale

    class Net(library.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = Block()
            self.nothing = None
            self.body = library.nn.Sequential(Block(), library.nn.ReLU())
            self.again = self.first
            self.head = library.nn.Linear(2, 3)
            self.tied = self.head.weight
            self.register_buffer("mean", library.zeros(2))
            self.register_buffer("scratch", library.zeros(1), persistent=False)
            self.register_module("later", None)
            self.register_parameter("absent", None)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(self.first(x)).flatten(2).mean(2))

    return Net()


def test_walking_meets_everything_in_the_same_order_as_torch() -> None:
    ours, theirs = make(minicnn), make(torch)
    for call in (
        lambda n: [name for name, _ in n.named_modules()],
        lambda n: [name for name, _ in n.named_modules(prefix="net", remove_duplicate=False)],
        lambda n: [name for name, _ in n.named_children()],
        lambda n: [type(m).__name__ for m in n.modules()],
        lambda n: [type(m).__name__ for m in n.children()],
        lambda n: [name for name, _ in n.named_parameters()],
        lambda n: [name for name, _ in n.named_parameters(prefix="p", recurse=False)],
        lambda n: [name for name, _ in n.named_parameters(remove_duplicate=False)],
        lambda n: [name for name, _ in n.named_buffers()],
        lambda n: [name for name, _ in n.named_buffers(recurse=False)],
        lambda n: [tuple(p.shape) for p in n.parameters()],
        lambda n: len(list(n.buffers())),
        lambda n: list(n.state_dict()),
        lambda n: list(n.state_dict(prefix="net.")),
        lambda n: repr(n),
        lambda n: type(n.get_submodule("body.0.conv")).__name__,
        lambda n: tuple(n.get_parameter("body.0.conv.weight").shape),
        lambda n: tuple(n.get_buffer("first.norm.running_mean").shape),
        lambda n: {"first", "head", "mean", "tied", "forward"} <= set(dir(n)),
    ):
        assert call(ours) == call(theirs)


def test_apply_visits_children_first_as_in_torch() -> None:
    visited: dict[str, list[str]] = {"ours": [], "theirs": []}
    make(minicnn).apply(lambda m: visited["ours"].append(type(m).__name__))
    make(torch).apply(lambda m: visited["theirs"].append(type(m).__name__))
    assert visited["ours"] == visited["theirs"]


def test_assignment_replaces_registers_and_unregisters() -> None:
    m = nn.Linear(2, 2)
    m.bias = None
    assert [name for name, _ in m.named_parameters()] == ["weight"]
    assert m.bias is None
    m.bias = nn.Parameter(minicnn.ones(2))
    m.extra = nn.ReLU()
    m.note = "plain"
    assert [name for name, _ in m.named_children()] == ["extra"]
    m.extra = nn.Parameter(minicnn.zeros(1))
    assert list(m.children()) == []
    assert m.note == "plain"
    del m.extra
    del m.note
    assert not hasattr(m, "extra")
    assert not hasattr(m, "note")
    with pytest.raises(TypeError, match=r"cannot assign Tensor to 'weight': it is registered as a parameter"):
        m.weight = minicnn.ones(2, 2)
    with pytest.raises(KeyError, match="already exists"):
        m.register_buffer("forward", minicnn.zeros(1))
    with pytest.raises(KeyError, match="must not be empty or contain"):
        m.add_module("a.b", nn.ReLU())
    with pytest.raises(TypeError, match=r"got the class ReLU. Fix: ReLU\(\), with brackets"):
        nn.Sequential(nn.ReLU)


def test_buffers_persist_or_not() -> None:
    m = nn.Identity()
    m.a = nn.Buffer(minicnn.zeros(1))
    m.b = nn.Buffer(minicnn.zeros(1), persistent=False)
    m.register_buffer("c", None)
    assert list(m.state_dict()) == ["a"]
    assert [name for name, _ in m.named_buffers()] == ["a", "b"]
    m.a = minicnn.ones(1)  # a plain tensor keeps the registration
    assert m.state_dict()["a"].item() == 1


@pytest.mark.parametrize(
    "body",
    [
        "self.w = nn.Parameter(minicnn.zeros(1))",
        "self.register_buffer('b', minicnn.zeros(1))",
        "self.fc = nn.Linear(1, 1)",
        "self.training",
    ],
)
def test_forgotten_super_init_says_so(body: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            exec(body, {"self": self, "nn": nn, "minicnn": minicnn})

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\) as the first line"):
        Net()


def test_train_eval_requires_grad_zero_grad() -> None:
    net = make(minicnn)
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train().body[0].norm.training
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")
    net(minicnn.randn(2, 2, 4, 4)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(minicnn.randn(2, 2, 4, 4)).requires_grad


def test_conversion_of_types_keeps_the_parameters_themselves() -> None:
    net = make(minicnn)
    before = list(net.parameters())
    net(minicnn.randn(2, 2, 4, 4)).sum().backward()
    assert net.double() is net
    assert [id(p) for p in net.parameters()] == [id(p) for p in before]
    assert {p.dtype for p in net.parameters()} == {p.grad.dtype for p in net.parameters()} == {minicnn.float64}
    assert net.first.norm.running_mean.dtype == minicnn.float64
    assert net.first.norm.num_batches_tracked.dtype == minicnn.int64
    assert net.half().head.weight.dtype == minicnn.float16
    assert net.float().head.weight.dtype == minicnn.float32
    assert net.to("cpu", minicnn.float64).head.weight.dtype == minicnn.float64
    assert net.to(minicnn.zeros(1)).head.weight.dtype == minicnn.float32
    assert net.cpu() is net
    with pytest.raises(TypeError, match="floating type only"):
        net.to(minicnn.int64)
    with pytest.raises(ValueError, match="cuda"):
        net.cuda()


def test_deepcopy_and_pickle_keep_values_and_sharing_and_nothing_else() -> None:
    net = make(minicnn)
    for twin in (copy.deepcopy(net), pickled(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))):
        assert isinstance(twin, nn.Module)
    twin = copy.deepcopy(net)
    assert twin.tied is twin.head.weight
    assert twin.again is twin.first
    assert twin.head.weight is not net.head.weight
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name].numpy(), value.numpy())
    with minicnn.no_grad():
        twin.head.weight.fill_(7)
    assert not (net.head.weight == 7).any()


def pickled(module: nn.Module) -> nn.Module:
    twin = pickle.loads(pickle.dumps(module))
    assert repr(twin) == repr(module)
    for a, b in zip(module.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        assert b.requires_grad
        assert isinstance(b, nn.Parameter)
    return twin


# ------------------------------------------------------------------------ hooks


def events(library: Any) -> list[str]:
    """All kinds of hooks on nested modules, and the order in which they are called."""
    log: list[str] = []
    net = library.nn.Sequential(
        library.nn.Linear(2, 2), library.nn.Sequential(library.nn.Tanh(), library.nn.Linear(2, 1))
    )
    for name, m in net.named_modules():
        m.register_forward_pre_hook(lambda m, args, n=name: log.append(f"pre {n} {len(args)}"))
        m.register_forward_hook(lambda m, args, out, n=name: log.append(f"post {n} {tuple(out.shape)}"))
        m.register_forward_hook(lambda m, args, out, n=name: log.append(f"first {n}"), prepend=True)
        m.register_full_backward_pre_hook(lambda m, g, n=name: log.append(f"backpre {n} {tuple(g[0].shape)}"))
        m.register_full_backward_hook(
            lambda m, gi, go, n=name: log.append(f"back {n} {[None if g is None else tuple(g.shape) for g in gi]}")
        )
    x = library.ones(3, 2)
    net(x).sum().backward()
    net(x.requires_grad_()).sum().backward()
    return log


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # PyTorch's
def test_hooks_are_called_in_the_same_order_as_torch() -> None:
    assert events(minicnn) == events(torch)


@BOTH
def test_hooks_replace_what_passes(library: Any) -> None:
    net = library.nn.Linear(1, 1, bias=False)
    with library.no_grad():
        net.weight.fill_(3.0)
    x = library.ones(1, 1, requires_grad=True)
    handles = [
        net.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
        net.register_forward_hook(lambda m, args, out: out + 1),
        net.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 5,)),
        net.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 10,)),
    ]
    y = net(x)
    y.backward()
    assert y.item() == 7
    assert net.weight.grad.item() == 10  # 5 * 2
    assert x.grad.item() == 300  # 5 * 3 * 10, and the factor 2 in front
    for handle in handles:
        handle.remove()
    assert net(x).item() == 3


@BOTH
def test_hooks_with_keyword_arguments(library: Any) -> None:
    class Scale(library.nn.Module):
        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return x * factor

    m, seen = Scale(), []
    m.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": kwargs["factor"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs["factor"]), with_kwargs=True)
    assert m(library.ones(1), factor=2.0).item() == 3
    assert seen == [3.0]


def test_backward_hook_with_several_inputs_and_outputs() -> None:
    class Both(nn.Module):
        def forward(self, a: Any, b: Any, c: Any) -> Any:
            return a * b, b + c

    m, seen = Both(), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append(([g is None for g in gi], [g.item() for g in go])))
    a, c = minicnn.tensor(2.0, requires_grad=True), minicnn.tensor(5.0, requires_grad=True)
    first, second = m(a, minicnn.tensor(3.0), c)
    (first + 4 * second).backward()
    assert seen == [([False, True, False], [1.0, 4.0])]
    assert (a.grad.item(), c.grad.item()) == (3, 4)


@BOTH
def test_backward_hook_refuses_a_changed_input(library: Any) -> None:
    m = library.nn.ReLU(inplace=True)
    m.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.raises(RuntimeError):
        m(library.ones(2, requires_grad=True) * 1)


# -------------------------------------------------------------------- errors


def test_an_error_names_the_layer() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(8, 4, 3)))
    with pytest.raises(ValueError, match=r"in layer '1\.1': Conv2d") as caught:
        net(minicnn.zeros(1, 1, 9, 9))
    assert caught.value.layer.startswith("'1.1': Conv2d(8, 4, kernel_size=(3, 3)")
    with pytest.raises(TypeError, match='missing the required "forward" function'):
        nn.Module()(1)
    assert minicnn.core.layer_stack.layer_path() is None  # nothing is left running


@pytest.mark.parametrize(
    ("name", "says"),
    [("Conv3d", "volumes are left out"), ("Conv1d", r"\(N, C, 1, L\)"), ("LSTM", "left out"), ("Foo", "'Foo'")],
)
def test_what_is_left_out_says_so(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(nn, name)
    with pytest.raises(AttributeError, match="no attribute 'conv3d'"):
        nn.functional.conv3d  # noqa: B018


@pytest.mark.parametrize("text", ["k=3", "k=3,\nbias=False"])
@pytest.mark.parametrize("child", [False, True])
def test_a_module_describes_itself_as_in_pytorch(text: str, child: bool) -> None:
    shown = []
    for library in (minicnn, torch):

        class Own(library.nn.Module):  # type: ignore[name-defined]
            def extra_repr(self) -> str:
                return text

        module = Own()
        if child:
            module.layer = library.nn.ReLU()
        shown.append(repr(library.nn.Sequential(module)))
    assert shown[0] == shown[1]
