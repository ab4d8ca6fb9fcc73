"""Every schedule over fifty steps against PyTorch's."""

from __future__ import annotations

import copy
import io
import warnings

import numpy as np
import pytest
import torch

import minicnn
from minicnn import optim

ours_module, theirs_module = optim.lr_scheduler, torch.optim.lr_scheduler
UP_DOWN = {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}
SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (1 + epoch), lambda epoch: 1.0]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.95}),
    ("StepLR", {"step_size": 7}), ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [3, 10, 10, 30]}), ("MultiStepLR", {"milestones": (2,), "gamma": 0.5}),
    ("ConstantLR", {}), ("ConstantLR", {"factor": 0.5, "total_iters": 20}),
    ("LinearLR", {}), ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 30}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 10}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {}), ("PolynomialLR", {"total_iters": 40, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 10}), ("CosineAnnealingLR", {"T_max": 50, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 51}),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "epochs": 6, "steps_per_epoch": 10}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 60, "three_phase": True, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 60, "three_phase": True, "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 51, "cycle_momentum": False, "final_div_factor": 9.0}),
    ("CyclicLR", UP_DOWN), ("CyclicLR", {**UP_DOWN, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": [1.0, 2.0], "step_size_up": 5, "step_size_down": 3}),
    ("CyclicLR", {**UP_DOWN, "mode": "triangular2", "step_size_down": 3, "max_momentum": 0.99}),
    ("CyclicLR", {**UP_DOWN, "scale_fn": lambda x: 1 / x, "cycle_momentum": False}),
    ("CyclicLR", {**UP_DOWN, "scale_fn": lambda x: 0.9**x, "scale_mode": "iterations"}),
]  # fmt: skip
WAYS = pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=[f"{n}-{'-'.join(o)}" for n, o in SCHEDULES])


def optimizers(kind="SGD", **options):
    """The same optimiser with two groups, here and in PyTorch."""
    options = options or ({"momentum": 0.9} if kind == "SGD" else {})
    result = []
    for tensors, module in ((minicnn, optim), (torch, torch.optim)):
        a, b = (tensors.zeros(1, requires_grad=True) for _ in range(2))
        result.append(getattr(module, kind)([{"params": [a]}, {"params": [b], "lr": 0.3}], lr=0.7, **options))
    return result


def momentum(group):
    return group["momentum"] if "momentum" in group else group["betas"]


def walk(ours, theirs, steps=50):
    """Step both schedules together and compare what they set."""
    for _ in range(steps):
        compare(ours, theirs)
        for scheduler in (ours, theirs):
            scheduler.optimizer.step()
            scheduler.step()
    compare(ours, theirs)


def compare(ours, theirs):
    np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-13, atol=1e-15)
    for mine, other in zip(ours.optimizer.param_groups, theirs.optimizer.param_groups, strict=True):
        np.testing.assert_allclose(mine["lr"], other["lr"], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(momentum(mine), momentum(other), rtol=1e-13)


def make(name, options, kind="SGD"):
    a, b = optimizers(kind)
    return getattr(ours_module, name)(a, **options), getattr(theirs_module, name)(b, **options)


@WAYS
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_fifty_steps(name, options, kind):
    walk(*make(name, options, kind))


@WAYS
def test_the_state_is_arranged_as_pytorchs(name, options):
    ours, theirs = make(name, options)
    for scheduler in (ours, theirs):
        for _ in range(5):
            scheduler.optimizer.step()
            scheduler.step()
    mine, other = ours.state_dict(), theirs.state_dict()
    assert set(mine) == set(other)
    for key in mine:
        if isinstance(other[key], (float, list)) and key not in ("lr_lambdas", "_schedule_phases"):
            np.testing.assert_allclose(mine[key], other[key], rtol=1e-13)
        else:
            assert mine[key] == other[key], key


@WAYS
@pytest.mark.parametrize("direction", ["from PyTorch", "to PyTorch", "through our file"])
def test_continue_from_a_state(name, options, direction):
    ours, theirs = make(name, options)
    walk(ours, theirs, 8)
    fresh_ours, fresh_theirs = make(name, options)
    states = {"scheduler": ours.state_dict(), "optimizer": ours.optimizer.state_dict()}
    if direction == "from PyTorch":
        fresh_ours.optimizer.load_state_dict(copy.deepcopy(theirs.optimizer.state_dict()))
        fresh_ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
        ours = fresh_ours
    elif direction == "to PyTorch":
        fresh_theirs.optimizer.load_state_dict(copy.deepcopy(states["optimizer"]))
        fresh_theirs.load_state_dict(copy.deepcopy(states["scheduler"]))
        theirs = fresh_theirs
    else:
        file = io.BytesIO()
        minicnn.save(states, file)
        file.seek(0)
        back = minicnn.load(file)
        fresh_ours.optimizer.load_state_dict(back["optimizer"])
        fresh_ours.load_state_dict(back["scheduler"])
        ours = fresh_ours
    walk(ours, theirs, 20)


@WAYS
def test_resume_with_last_epoch(name, options):
    """Both make a new schedule for an optimiser that has been trained for six epochs."""
    ours, theirs = make(name, options)
    walk(ours, theirs, 6)
    resumed = [
        getattr(module, name)(old.optimizer, **options, last_epoch=5)
        for module, old in ((ours_module, ours), (theirs_module, theirs))
    ]
    walk(*resumed, 10)


@pytest.mark.parametrize(
    ("name", "options"),
    [s for s in SCHEDULES if s[0] not in ("OneCycleLR", "MultiplicativeLR")],
    ids=[f"{n}-{'-'.join(o)}" for n, o in SCHEDULES if n not in ("OneCycleLR", "MultiplicativeLR")],
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_jumping_to_an_epoch(name, options):
    ours, theirs = make(name, options)
    for epoch in (3, 17, 2, 40):
        for scheduler in (ours, theirs):
            scheduler.optimizer.step()
            scheduler.step(epoch)
        compare(ours, theirs)


def test_warm_restarts_at_fractions_of_epochs():
    for options in ({"T_0": 3}, {"T_0": 3, "T_mult": 2}):
        ours, theirs = make("CosineAnnealingWarmRestarts", options)
        for epoch in np.arange(0, 30, 0.37):
            for scheduler in (ours, theirs):
                scheduler.step(float(epoch))
            compare(ours, theirs)


COMBINED = {
    "warm-up and cosine": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=5), m.CosineAnnealingLR(o, 20)], milestones=[5]
    ),
    "three": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.1, 3), m.ExponentialLR(o, 0.9), m.StepLR(o, 4)], milestones=[4, 20]
    ),
    "at once": lambda m, o: m.SequentialLR(o, [m.ExponentialLR(o, 0.9), m.PolynomialLR(o, 30)], milestones=[0]),
    "chained": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9), m.MultiStepLR(o, [5, 7])]
    ),
    "chained, with the optimiser": lambda m, o: m.ChainedScheduler([m.StepLR(o, 3)], optimizer=o),
    "a sequence in a sequence": lambda m, o: m.SequentialLR(
        o, [m.SequentialLR(o, [m.LinearLR(o), m.ExponentialLR(o, 0.9)], milestones=[4]), m.StepLR(o, 3)], milestones=[9]
    ),
    "a chain in a sequence": lambda m, o: m.SequentialLR(
        o, [m.ChainedScheduler([m.LinearLR(o), m.ExponentialLR(o, 0.9)]), m.StepLR(o, 3)], milestones=[9]
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", COMBINED)
@pytest.mark.filterwarnings("ignore:.*before `?optimizer.step:UserWarning")  # of a schedule in a schedule, when made
def test_combined(which):
    a, b = optimizers()
    ours, theirs = COMBINED[which](ours_module, a), COMBINED[which](theirs_module, b)
    walk(ours, theirs, 15)
    c, d = optimizers()
    again, others = COMBINED[which](ours_module, c), COMBINED[which](theirs_module, d)
    again.optimizer.load_state_dict(copy.deepcopy(b.state_dict()))
    again.load_state_dict(copy.deepcopy(theirs.state_dict()))
    others.optimizer.load_state_dict(copy.deepcopy(a.state_dict()))
    others.load_state_dict(copy.deepcopy(ours.state_dict()))
    walk(again, others, 20)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"patience": 2, "factor": 0.5}, {"mode": "max", "patience": 1}, {"threshold_mode": "abs", "threshold": 0.5},
        {"mode": "max", "threshold_mode": "abs", "patience": 0}, {"patience": 1, "cooldown": 3},
        {"patience": 0, "min_lr": [0.01, 0.2]}, {"patience": 0, "factor": 0.1, "eps": 0.05},
    ],
)  # fmt: skip
def test_plateau(options):
    a, b = optimizers()
    ours = ours_module.ReduceLROnPlateau(a, **options)
    theirs = theirs_module.ReduceLROnPlateau(b, **options)
    random = np.random.default_rng(0)
    for step in range(60):
        metric = float(np.exp(-step / 10) + 0.05 * random.normal())
        ours.step(minicnn.tensor(metric, dtype=minicnn.float64) if step % 2 else metric)
        theirs.step(metric)
        compare(ours, theirs)
        assert (ours.num_bad_epochs, ours.cooldown_counter) == (theirs.num_bad_epochs, theirs.cooldown_counter)
        if step == 20:
            state, other = ours.state_dict(), theirs.state_dict()
            assert state == other
            ours.load_state_dict(copy.deepcopy(other))


def test_plateau_with_a_group_that_came_later():
    optimizer, _ = optimizers()
    scheduler = ours_module.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    optimizer.add_param_group({"params": minicnn.zeros(1), "lr": 8.0})
    for _ in range(2):
        scheduler.step(1.0)
    assert optimizer.param_groups[2]["lr"] == 4.0
    fixed = ours_module.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0, 0, 0])
    optimizer.add_param_group({"params": minicnn.zeros(1)})
    fixed.step(1.0)
    with pytest.raises(RuntimeError, match="4 groups now, min_lr has 3"):
        fixed.step(1.0)


class Halving:
    """A function of the epoch that is an object, with something to remember."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, epoch):
        return self.factor**epoch


def test_the_attributes_of_callable_objects_are_saved():
    optimizer, _ = optimizers()
    state = ours_module.LambdaLR(optimizer, Halving(0.25)).state_dict()
    assert state["lr_lambdas"] == [{"factor": 0.25}] * 2
    other = ours_module.LambdaLR(optimizer, Halving(0.5))
    other.load_state_dict(state)
    assert other.lr_lambdas[0].factor == 0.25
    options = {"base_lr": 0.1, "max_lr": 1.0, "scale_fn": Halving(0.25)}
    state = ours_module.CyclicLR(optimizer, **options).state_dict()
    assert state["_scale_fn_custom"] == {"factor": 0.25}
    other = ours_module.CyclicLR(optimizer, **{**options, "scale_fn": Halving(0.5)})
    other.load_state_dict(state)
    assert other.scale_fn(1) == 0.25


def test_the_warning_about_the_wrong_order():
    optimizer, _ = optimizers()
    scheduler = ours_module.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match=r"was called before optimizer\.step\(\)"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        fresh, _ = optimizers()
        right = ours_module.StepLR(fresh, 3)
        fresh.step()
        right.step()


def test_other_warnings():
    optimizer, _ = optimizers()
    scheduler = ours_module.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    optimizer.step()
    with pytest.warns(UserWarning, match="deprecated"):
        scheduler.step(4)
    with pytest.warns(UserWarning, match="deprecated"):
        ours_module.ReduceLROnPlateau(optimizer).step(1.0, 3)


def test_a_schedule_of_ones_own_under_the_old_name():
    from minicnn.optim.lr_scheduler import _LRScheduler

    class WarmUp(_LRScheduler):
        def get_lr(self):
            return [base * (self.last_epoch + 1) / 10 for base in self.base_lrs]

    optimizer, _ = optimizers()
    scheduler = WarmUp(optimizer)
    optimizer.step()
    scheduler.step()
    np.testing.assert_allclose(scheduler.get_last_lr(), [0.14, 0.06])


SGD, PLAIN = "optim.SGD([minicnn.zeros(1)], momentum=0.9)", "optim.Adagrad([minicnn.zeros(1)])"


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("m.StepLR(minicnn.zeros(1), 3)", TypeError, "the first argument is the optimiser; got Tensor"),
        (f"m.StepLR({SGD}, 0)", ValueError, "step_size must be at least 1; got 0"),
        (f"m.StepLR({SGD}, 3, last_epoch=4)", KeyError, "does not know its initial_lr"),
        (f"m.LambdaLR({SGD}, 0.5)", TypeError, "lr_lambda must be a function of the epoch; got float"),
        (f"m.LambdaLR({SGD}, [abs, abs])", ValueError, "lr_lambda has 2 values; the optimiser has 1 groups"),
        (f"m.ConstantLR({SGD}, 2.0)", ValueError, "factor must be more than 0 and at most 1; got 2.0"),
        (f"m.LinearLR({SGD}, 0)", ValueError, "start_factor must be more than 0"),
        (f"m.LinearLR({SGD}, end_factor=2)", ValueError, "end_factor must be between 0 and 1"),
        (f"m.CosineAnnealingLR({SGD}, 0)", ValueError, "T_max must be at least 1"),
        (f"m.CosineAnnealingWarmRestarts({SGD}, 1.5)", ValueError, "T_0 must be an integer"),
        (f"m.CosineAnnealingWarmRestarts({SGD}, 2, 0)", ValueError, "T_mult must be an integer"),
        (f"m.CosineAnnealingWarmRestarts({SGD}, 2, eta_min='0')", ValueError, "eta_min must be a number"),
        (f"m.CosineAnnealingWarmRestarts({SGD}, 2).step(-1)", ValueError, "epoch must not be negative"),
        (f"m.OneCycleLR({SGD}, 1.0)", ValueError, "give total_steps, or both epochs and steps_per_epoch"),
        (f"m.OneCycleLR({SGD}, 1.0, epochs=3)", ValueError, "give total_steps, or both"),
        (f"m.OneCycleLR({SGD}, 1.0, total_steps=0)", ValueError, "must be integers, at least 1; got 0"),
        (f"m.OneCycleLR({SGD}, 1.0, 10, pct_start=2.0)", ValueError, "pct_start must be between 0 and 1"),
        (f"m.OneCycleLR({SGD}, 1.0, 10, anneal_strategy='x')", ValueError, "anneal_strategy must be"),
        (f"m.OneCycleLR({PLAIN}, 1.0, 10)", ValueError, "Adagrad has no momentum"),
        (f"s = m.OneCycleLR({SGD}, 1.0, 2); s.optimizer.step(); [s.step() for _ in '123']", ValueError, "of 2 steps"),
        (f"m.CyclicLR({SGD}, 0.1, 1.0, mode='x')", ValueError, "mode must be 'triangular'"),
        (f"m.CyclicLR({PLAIN}, 0.1, 1.0)", ValueError, "has no momentum"),
        (f"m.SequentialLR({SGD}, [], [])", ValueError, "the list of schedulers is empty"),
        (f"o = {SGD}; m.SequentialLR(o, [m.StepLR(o, 1)], [1])", ValueError, "1 schedulers need 0 milestones"),
        (f"o = {SGD}; m.SequentialLR(o, [3], [])", TypeError, r"schedulers\[0\] is a int"),
        (f"o = {SGD}; m.SequentialLR(o, [m.ReduceLROnPlateau(o)], [])", ValueError, "the metric"),
        (f"m.SequentialLR({SGD}, [m.StepLR({SGD}, 1)], [])", ValueError, "belongs to another optimiser"),
        (f"o = {SGD}; s = m.StepLR(o, 1); m.SequentialLR(o, [s, m.ChainedScheduler([s])], [3])", ValueError, "first"),
        (f"m.ChainedScheduler([m.StepLR({SGD}, 1), m.StepLR({SGD}, 1)])", ValueError, "to another optimiser"),
        (f"m.ReduceLROnPlateau({SGD}, factor=1.0)", ValueError, "factor must be less than 1"),
        (f"m.ReduceLROnPlateau({SGD}, 'least')", ValueError, "mode must be 'min' or 'max'"),
        (f"m.ReduceLROnPlateau({SGD}, threshold_mode='x')", ValueError, "threshold_mode must be"),
        (f"m.ReduceLROnPlateau({SGD}).step()", TypeError, "metrics"),
        (f"m.LRScheduler({SGD})", TypeError, "must define get_lr"),
    ],
)  # fmt: skip
def test_mistakes(code, error, message):
    with pytest.raises(error, match=message):
        exec(code, {"m": ours_module, "optim": optim, "minicnn": minicnn})
