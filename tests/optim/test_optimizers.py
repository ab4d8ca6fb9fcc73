"""Every optimiser with every option, step by step against PyTorch's."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch

import minicnn
from minicnn import optim

SHAPES = [(4, 3, 2, 2), (5,), ()]
OPTIONS = [
    ("SGD", {}), ("SGD", {"lr": 0.1, "momentum": 0.9}), ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.3, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}), ("SGD", {"lr": 1}),
    ("Adam", {}), ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3}), ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.3}), ("Adam", {"lr": 0.1, "maximize": True, "weight_decay": 0.3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.3, "decoupled_weight_decay": True}), ("Adam", {"betas": [0.0, 0.0]}),
    ("AdamW", {}), ("AdamW", {"lr": 0.1, "weight_decay": 0.5}), ("AdamW", {"lr": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0, "maximize": True}),
    ("RMSprop", {}), ("RMSprop", {"momentum": 0.9}), ("RMSprop", {"centered": True, "alpha": 0.5}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "weight_decay": 0.1, "maximize": True, "eps": 1e-2}),
    ("Adagrad", {}), ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}),
    ("Adadelta", {}), ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
]  # fmt: skip
WAYS = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=[f"{n}-{'-'.join(o)}" for n, o in OPTIONS])


class Pair:
    """The same parameters here and in PyTorch, and the same gradients."""

    def __init__(self, dtype="float64", seed=0, strided=False):
        self.random = np.random.default_rng(seed)
        self.dtype = dtype
        arrays = [self._draw(shape) for shape in SHAPES]
        if strided:  # channels last
            arrays[0] = np.ascontiguousarray(arrays[0].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        self.theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
        self.ours = [minicnn.from_numpy(a).requires_grad_() for a in arrays]

    def _draw(self, shape):
        return np.asarray(self.random.normal(size=shape)).astype(self.dtype)

    def gradients(self):
        for ours, theirs in zip(self.ours, self.theirs, strict=True):
            grad = self._draw(ours.shape)
            ours.grad, theirs.grad = minicnn.from_numpy(grad.copy()), torch.from_numpy(grad.copy())

    def check(self):
        tolerance = {"float64": 1e-12, "float32": 3e-6, "float16": 1e-2}[self.dtype]
        for ours, theirs in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def both(pair, name, options):
    ours = getattr(optim, name)(pair.ours, **options)
    theirs = getattr(torch.optim, name)(pair.theirs, **{**options, "foreach": False})
    return ours, theirs


@WAYS
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("backend", ["reference", "numpy", "numba"])
def test_ten_steps(name, options, dtype, backend):
    pair = Pair(dtype, strided=True)
    ours, theirs = both(pair, name, options)
    with minicnn.use_backend(backend):
        for _ in range(10):
            pair.gradients()
            ours.step()
            theirs.step()
            pair.check()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_half_precision(name):
    """(PyTorch's eps of 1e-8 is 0 in float16; a larger one, and few steps, keep the two alike.)"""
    pair = Pair("float16")
    ours, theirs = both(pair, name, {"momentum": 0.9, "lr": 0.01} if name == "SGD" else {"eps": 1e-2, "lr": 0.01})
    for _ in range(3):
        pair.gradients()
        ours.step()
        theirs.step()
        pair.check()
    assert all(p.dtype is minicnn.float16 for p in pair.ours)


@WAYS
def test_the_state_is_arranged_as_pytorchs(name, options):
    pair = Pair()
    ours, theirs = both(pair, name, options)
    for _ in range(2):
        pair.gradients()
        ours.step()
        theirs.step()
    a, b = ours.state_dict(), theirs.state_dict()
    assert [{**g, "foreach": None} for g in b["param_groups"]] == a["param_groups"]
    assert [list(g) for g in a["param_groups"]] == [list(g) for g in b["param_groups"]]
    assert list(a["state"]) == list(b["state"])
    for number, state in b["state"].items():
        assert set(a["state"][number]) == set(state)
        for key, value in state.items():
            mine = a["state"][number][key].numpy()
            np.testing.assert_allclose(mine, value.numpy(), rtol=1e-12, atol=1e-12)
            assert mine.dtype == value.numpy().dtype
    assert repr(ours) == repr(theirs).replace("foreach: False", "foreach: None")


def to_ours(state):
    """A state of PyTorch's, read from its file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return minicnn.load(file)


def to_theirs(state):
    def convert(value):
        if isinstance(value, minicnn.Tensor):
            return torch.from_numpy(np.array(value.numpy()))
        if isinstance(value, dict):
            return {k: convert(v) for k, v in value.items()}
        return [convert(v) for v in value] if isinstance(value, list) else value

    return convert(state)


@WAYS
@pytest.mark.parametrize("direction", ["from PyTorch", "to PyTorch", "through our file"])
def test_continue_from_a_state(name, options, direction):
    pair = Pair()
    ours, theirs = both(pair, name, options)
    for _ in range(3):
        pair.gradients()
        ours.step()
        theirs.step()
    fresh_ours, fresh_theirs = both(pair, name, {"lr": 0.5})
    if direction == "from PyTorch":
        fresh_ours.load_state_dict(to_ours(theirs.state_dict()))
        ours = fresh_ours
    elif direction == "to PyTorch":
        fresh_theirs.load_state_dict(to_theirs(ours.state_dict()))
        theirs = fresh_theirs
    else:
        file = io.BytesIO()
        minicnn.save(ours.state_dict(), file)
        file.seek(0)
        fresh_ours.load_state_dict(minicnn.load(file))
        ours = fresh_ours
    for _ in range(3):
        pair.gradients()
        ours.step()
        theirs.step()
        pair.check()


def test_loading_copies_and_takes_the_parameters_type():
    w = minicnn.zeros(3, dtype=minicnn.float64, requires_grad=True)
    optimizer = optim.Adam([w])
    w.grad = minicnn.ones(3, dtype=minicnn.float64)
    optimizer.step()
    state = optimizer.state_dict()
    v = minicnn.zeros(3, requires_grad=True)
    other = optim.Adam([v], lr=7)
    other.load_state_dict(state)
    assert other.state[v]["exp_avg"].dtype is minicnn.float32
    assert other.state[v]["step"].item() == 1
    assert other.param_groups[0]["lr"] == 1e-3
    v.grad = minicnn.ones(3)
    other.step()
    assert optimizer.state[w]["step"].item() == 1


def test_states_of_older_versions_of_pytorch():
    w = minicnn.zeros(2, requires_grad=True)
    optimizer = optim.AdamW([w])
    moment = {"exp_avg": minicnn.ones(2), "exp_avg_sq": minicnn.ones(2)}
    group = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "fused": True, "params": [140]}
    optimizer.load_state_dict({"state": {140: {"step": 7, **moment}}, "param_groups": [group]})
    w.grad = minicnn.ones(2)
    optimizer.step()
    assert optimizer.state[w]["step"].item() == 8
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
    assert optimizer.param_groups[0]["fused"] is None
    sgd = optim.SGD([w], momentum=0.9)
    sgd.load_state_dict(
        {"state": {0: {"momentum_buffer": None}}, "param_groups": [{**sgd.state_dict()["param_groups"][0]}]}
    )
    sgd.step()


def test_groups_have_options_of_their_own():
    pair = Pair()
    groups = [{"params": [0, 1], "lr": 0.5, "momentum": 0.9}, {"params": [2], "weight_decay": 0.1}]
    ours = optim.SGD([{**g, "params": [pair.ours[i] for i in g["params"]]} for g in groups], lr=0.01)
    theirs = torch.optim.SGD([{**g, "params": [pair.theirs[i] for i in g["params"]]} for g in groups], lr=0.01)
    assert repr(ours) == repr(theirs)
    for _ in range(3):
        pair.gradients()
        ours.step()
        theirs.step()
        pair.check()
    assert [g["params"] for g in ours.state_dict()["param_groups"]] == [[0, 1], [2]]
    assert [list(g) for g in ours.state_dict()["param_groups"]] == [
        list(g) for g in theirs.state_dict()["param_groups"]
    ]


def test_a_group_that_is_added_later():
    a, b = minicnn.zeros(1, requires_grad=True), minicnn.zeros(1, requires_grad=True)
    optimizer = optim.SGD([a], lr=1.0)
    optimizer.add_param_group({"params": b, "lr": 2.0})
    a.grad, b.grad = minicnn.ones(1), minicnn.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (-1, -2)


def test_named_parameters():
    a, b = minicnn.zeros(1, requires_grad=True), minicnn.zeros(1, requires_grad=True)
    optimizer = optim.SGD([("a", a), ("b", b)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    fresh = optim.SGD([("a", a), ("b", b)])
    fresh.load_state_dict(optim.SGD([a, b]).state_dict())
    assert fresh.param_groups[0]["param_names"] == ["a", "b"]


def test_parameters_without_gradient_stay():
    a, b = minicnn.ones(2, requires_grad=True), minicnn.ones(2, requires_grad=True)
    optimizer = optim.Adam([a, b], weight_decay=0.5)
    a.grad = minicnn.ones(2)
    optimizer.step()
    assert b.tolist() == [1, 1]
    assert list(optimizer.state_dict()["state"]) == [0]


def test_zero_grad():
    w = minicnn.ones(2, requires_grad=True)
    optimizer = optim.SGD([w])
    (w * 3).sum().backward()
    before = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0]
    assert before.tolist() == [0, 0]
    optimizer.zero_grad()
    assert w.grad is None


def test_closure():
    w = minicnn.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with minicnn.no_grad():
        assert optimizer.step(closure).item() == 4
    assert w.item() == 1
    assert optimizer.step() is None


def test_a_graph_that_needs_the_old_values_says_so():
    w = minicnn.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_memory_of_a_parameter_stays_its_own():
    w = minicnn.ones(4, requires_grad=True)
    address = w.data_ptr()
    for name, options in OPTIONS:
        optimizer = getattr(optim, name)([w], **options)
        w.grad = minicnn.ones(4)
        optimizer.step()
        assert w.data_ptr() == address
        assert w.grad.tolist() == [1, 1, 1, 1]


def test_deepcopy_of_model_and_optimizer():
    w = minicnn.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5, momentum=0.9)
    w.grad = minicnn.ones(2)
    optimizer.step()
    copied_w, copied = copy.deepcopy((w, optimizer))
    assert copied.param_groups[0]["params"][0] is copied_w
    copied.step()
    assert w.tolist() == [0.5, 0.5]
    assert copied_w.tolist() != [0.5, 0.5]


def test_an_optimizer_of_ones_own_that_overrides_step():
    class Signs(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @minicnn.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(minicnn.sign(p.grad), alpha=-group["lr"])

    w = minicnn.zeros(2, requires_grad=True)
    optimizer = Signs([w], lr=0.5)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    w.grad = minicnn.tensor([3.0, -3.0])
    optimizer.step()
    scheduler.step()
    assert w.tolist() == [-0.5, 0.5]


PARAMS = "[minicnn.zeros(1, requires_grad=True)]"


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (f"optim.SGD({PARAMS}, lr=-0.1)", ValueError, "lr must be a number from 0 on; got lr=-0.1"),
        (f"optim.SGD({PARAMS}, lr=float('nan'))", ValueError, "lr must be"),
        (f"optim.SGD({PARAMS}, lr=minicnn.ones(1))", TypeError, "lr must be a number; got Tensor"),
        (f"optim.SGD({PARAMS}, lr='0.1')", TypeError, "lr must be a number; got str"),
        (f"optim.SGD({PARAMS}, momentum=-1)", ValueError, "momentum must be"),
        (f"optim.SGD({PARAMS}, weight_decay=-1)", ValueError, "weight_decay must be"),
        (f"optim.SGD({PARAMS}, nesterov=True)", ValueError, "nesterov=True needs momentum > 0 and dampening=0"),
        (f"optim.SGD({PARAMS}, fused=True)", ValueError, "fused=True chooses one of"),
        (f"optim.Adam({PARAMS}, betas=(0.9, 1.0))", ValueError, r"less than 1; got betas=\(0.9, 1.0\)"),
        (f"optim.Adam({PARAMS}, betas=0.9)", ValueError, "betas must be two numbers; got 0.9"),
        (f"optim.Adam({PARAMS}, eps=-1)", ValueError, "eps must be"),
        (f"optim.AdamW({PARAMS}, capturable=True)", ValueError, "capturable=True"),
        (f"optim.RMSprop({PARAMS}, alpha=-1)", ValueError, "alpha must be"),
        (f"optim.Adagrad({PARAMS}, lr_decay=-1)", ValueError, "lr_decay must be"),
        (f"optim.Adadelta({PARAMS}, rho=1.5)", ValueError, "rho must be between 0 and 1; got rho=1.5"),
        ("optim.Adam([])", ValueError, "the list of parameters is empty"),
        ("optim.Adam([{'params': []}, 3])", TypeError, "a group is a dictionary"),
        ("optim.Adam([{'param': []}])", TypeError, "with the key 'params'"),
        ("optim.SGD(minicnn.zeros(1, requires_grad=True))", TypeError, r"expected a list .*model\.parameters\(\)"),
        ("optim.SGD([np.zeros(1)])", TypeError, "one of the parameters is a ndarray"),
        ("optim.SGD([{'params': {minicnn.zeros(1)}}])", TypeError, "a set of parameters"),
        ("optim.SGD([minicnn.zeros(1, requires_grad=True) * 2])", ValueError, "is the result of an operation.*Mul"),
        ("optim.SGD([minicnn.zeros(1, dtype=minicnn.int64)])", ValueError, "only floating-point"),
        ("w = minicnn.zeros(1); optim.SGD([w, w])", ValueError, "occurs twice"),
        ("w = minicnn.zeros(1); optim.SGD([{'params': [w]}, {'params': [w]}])", ValueError, "occurs twice"),
        (f"optim.SGD([{{'params': {PARAMS}, 'lr': -1}}])", ValueError, "lr must be"),
        ("optim.SGD([('a', minicnn.zeros(1)), minicnn.zeros(1)])", ValueError, "1 of 2 parameters have"),
        ("optim.SGD([('a', minicnn.zeros(1))]).add_param_group({'params': minicnn.ones(1)})", ValueError, "some do"),
        ("w = minicnn.ones(2); w.grad = minicnn.ones(1); optim.SGD([w]).step()", ValueError, r"\(2,\) has a gradient"),
        (f"optim.SGD({PARAMS}).load_state_dict({{'model': 1}})", ValueError, "has the keys 'state' and 'param_groups'"),
        (f"optim.SGD({PARAMS}).load_state_dict(optim.SGD({PARAMS} + {PARAMS}).state_dict())", ValueError, "groups of"),
    ],
)  # fmt: skip
def test_mistakes(code, error, message):
    with pytest.raises(error, match=message):
        exec(code)


def test_a_state_of_other_shapes():
    w, v = minicnn.zeros(2, requires_grad=True), minicnn.zeros(3, requires_grad=True)
    w.grad = minicnn.ones(2)
    optimizer = optim.Adam([w])
    optimizer.step()
    with pytest.raises(
        ValueError, match=r"the loaded 'exp_avg' of parameter 0 has the shape \(2,\), the parameter \(3,\)"
    ):
        optim.Adam([v]).load_state_dict(optimizer.state_dict())


def test_an_optimizer_that_defines_nothing():
    w = minicnn.zeros(1, requires_grad=True)
    w.grad = minicnn.ones(1)
    with pytest.raises(TypeError, match="must define update"):
        optim.Optimizer([w], {}).step()


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta"])
def test_one_kernel_changes_all_parameters_that_have_one_past(name, monkeypatch):
    from minicnn_kernels import registry

    launched = []
    call = registry.call
    monkeypatch.setattr(
        registry, "call", lambda operation, *args: launched.append(len(args[0])) or call(operation, *args)
    )
    options = {"momentum": 0.9} if name == "SGD" else {}
    ours = [minicnn.ones(n, requires_grad=True) for n in (1, 5, 20000)]
    ours.append(minicnn.ones(2, dtype=minicnn.float64, requires_grad=True))
    optimizer = getattr(optim, name)(ours, **options)
    for p in ours:
        p.grad = minicnn.ones_like(p)
    ours[0].grad = None
    optimizer.step()
    assert sorted(launched) == [1, 2]  # by element type
    launched.clear()
    ours[0].grad = minicnn.ones(1)
    optimizer.step()
    assert sorted(launched) == [1, 1, 2]  # one parameter makes its first step


def test_a_subclass_may_change_one_parameter_at_a_time():
    class Halving(optim.Adam):
        def update(self, param, grad, state, group):
            param *= 0.5

    w = minicnn.ones(3, requires_grad=True)
    w.grad = minicnn.ones(3)
    Halving([w]).step()
    np.testing.assert_array_equal(w.detach().numpy(), 0.5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta"])
def test_memory_orders_and_gaps(name):
    """A gradient, a parameter and its averages may each lie in memory in their own way."""
    random = np.random.default_rng(0)
    plain = [random.normal(size=(4, 3, 5, 5)).astype("float32") for _ in range(5)]
    gaps = np.zeros((4, 3, 5, 10), "float32")[..., ::2]
    placed = [
        plain[0].copy(),
        np.asfortranarray(plain[1]),
        gaps,
        plain[3].copy(),
        plain[4][..., ::-1].copy()[..., ::-1],
    ]
    gaps[...] = plain[2]
    grads = [random.normal(size=(4, 3, 5, 5)).astype("float32") for _ in range(5)]
    odd = [np.asfortranarray(grads[0]), grads[1], np.moveaxis(np.moveaxis(grads[2], 1, -1).copy(), -1, 1), *grads[3:]]
    options = {"momentum": 0.5} if name in ("SGD", "RMSprop") else {}
    results = []
    for arrays, gradients in ((plain, grads), (placed, odd)):
        tensors = [minicnn.from_numpy(a).requires_grad_() for a in arrays]
        optimizer = getattr(optim, name)(tensors, lr=0.1, **options)
        for _ in range(3):
            for tensor, grad in zip(tensors, gradients, strict=True):
                tensor.grad = minicnn.from_numpy(grad)
            optimizer.step()
        results.append([t.detach().numpy() for t in tensors])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.shares_memory(results[1][2], gaps)
