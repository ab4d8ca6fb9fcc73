"""Exercises: the reference kernel is a right answer to each, and wrong answers are told what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from minicnn_kernels import registry
from minicnn_kernels.cases import TABLE

import minicnn
from minicnn import lessons, nn
from minicnn.lessons.cases import cases_of
from minicnn.lessons.tasks import TASKS, Task, task_of
from minicnn.nn import functional as F

from ..real_data import real_data
from .wrong import WRONG

ROOT = Path(__file__).resolve().parents[2]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.operation)


@each_task
def test_the_reference_kernel_is_a_right_answer(task: Task) -> None:
    answer = minicnn.exercise(task.operation)(task.solution)
    verdict = answer.check()
    assert verdict, str(verdict)
    assert isinstance(answer, lessons.Answer)
    assert isinstance(verdict, lessons.Verdict)
    assert (verdict.passed, verdict.right, verdict.first, verdict.pattern()) == (True, 40, None, "")
    assert str(verdict) == f"{task.operation}: all 40 cases are right."


@each_task
def test_every_backend_is_a_right_answer(task: Task) -> None:
    for backend in ("numpy", "numba"):
        verdict = minicnn.exercise(task.operation)(registry.find(task.operation, backend)).check(10, seed=50)
        assert verdict, f"{backend}: {verdict}"


@pytest.mark.parametrize("answer", WRONG, ids=lambda f: f.__name__)
def test_a_wrong_answer_is_told_what_is_wrong(answer) -> None:
    operation, kind, says = WRONG[answer]
    verdict = minicnn.exercise(operation)(answer).check()
    assert not verdict
    assert isinstance(verdict.first, lessons.Problem)
    assert verdict.first.kind == kind, str(verdict)
    for text in (
        *says,
        f"{operation}: {verdict.right} of 40 cases are right.",
        "The plainest wrong case",
        task_of(operation).lesson,
    ):
        assert text in str(verdict), f"{text!r} is not in: {verdict}"


def test_a_mistake_that_right_cases_would_show_is_not_suspected() -> None:
    @minicnn.exercise("conv2d.forward")
    def no_bias_of_several_samples(x, w, bias, window, groups):
        return task_of("conv2d.forward").solution(x, w, None if len(x) > 1 else bias, window, groups)

    verdict = no_bias_of_several_samples.check()
    assert verdict.first is not None
    assert "the bias is forgotten" in "".join(verdict.first.likely)
    assert verdict.likely() == []
    assert "Likely" not in str(verdict)


def test_the_cases_are_those_of_the_project_and_of_many_kinds() -> None:
    seen = {
        task.operation: {f for case in cases_of(task, (), 40, 0) for f in case.features()}
        for task in lessons.exercises()
    }
    assert set(seen) <= set(TABLE)
    for features in seen.values():
        assert {"an empty batch", "several samples", "float32", "arrays that are not contiguous"} <= features
    sliding = {"a stride", "padding", "dilation", "a window that is not square"}
    for operation in ("im2col", "col2im", "conv2d.forward", "conv2d.grad_weight", "max_pool2d.forward"):
        assert sliding <= seen[operation]
    assert {"NaN", "infinite numbers", "ceil_mode"} <= seen["max_pool2d.forward"]
    assert "ceil_mode" in seen["max_pool2d.grad_input"]
    assert {"groups", "a bias"} <= seen["conv2d.forward"]
    assert {"nesterov", "maximize", "first", "weight decay", "dampening", "momentum"} <= seen["sgd.step"]
    assert {"labels to be ignored", "label smoothing", "a weight"} <= seen["cross_entropy.grad"]
    first = cases_of(task_of("conv2d.forward"), ("groups",), 40, 0)[0]
    assert len(first.features()) <= 2


def test_what_may_be_left_out() -> None:
    @minicnn.exercise("conv2d.grad_weight")
    def plain(grad_y, x, window):
        return task_of("conv2d.grad_weight").solution(grad_y, x, window, 1)

    assert plain.left_out == ("groups",)
    assert plain.check()
    assert not {f for case in plain.check().cases for f in case.features()} & {"groups"}
    assert repr(plain) == "<exercise conv2d.grad_weight: plain(grad_y, x, window)>"

    @minicnn.exercise("adam.step")
    def other_order(step, lr, params, grads, exp_avgs, exp_avg_sqs, beta1, beta2, eps):
        task_of("adam.step").solution(
            params, grads, exp_avgs, exp_avg_sqs, None, step, lr, beta1, beta2, eps, 0.0, False, False
        )

    assert other_order.check()

    @minicnn.exercise("relu.grad")
    def other_names(dy, out):
        return np.where(out > 0, dy, 0)

    assert other_names.check()
    assert minicnn.exercise("relu.grad")(lambda *both: other_names(*both)).check()


def test_a_function_with_other_parameters_is_refused() -> None:
    with pytest.raises(TypeError, match=r"takes \(grad_y, x\); expected \(grad_y, x, window, groups=1\) -> grad_w"):

        @minicnn.exercise("conv2d.grad_weight")
        def no_window(grad_y, x):
            return x


def test_a_network_computes_with_the_answer_only_inside() -> None:
    @minicnn.exercise("conv2d.forward")
    def doubled(x, w, bias, window):
        return 2 * task_of("conv2d.forward").solution(x, w, bias, window, 1)

    net = nn.Sequential(nn.Conv2d(2, 2, 3, bias=False), nn.ReLU())
    grouped = nn.Conv2d(2, 2, 3, groups=2)
    x = minicnn.from_numpy(np.random.default_rng(0).standard_normal((1, 2, 4, 4)).astype(np.float32))
    once, other = net(x), grouped(x)
    with doubled.active() as inside:
        assert inside is doubled
        assert minicnn.allclose(net(x), 2 * once, atol=1e-5)
        assert minicnn.allclose(grouped(x), other)
    assert (doubled.calls, doubled.passed_on) == (1, 1)
    assert minicnn.allclose(net(x), once)
    with pytest.raises(ZeroDivisionError), doubled.active():
        1 / 0  # noqa: B018
    assert minicnn.allclose(net(x), once)
    assert minicnn.is_fusion_enabled()


def test_an_answer_that_returns_nothing_says_so_in_a_network() -> None:
    x = minicnn.ones(2, requires_grad=True)
    with minicnn.exercise("relu.grad")(lambda grad_y, y: None).active():
        y = F.relu(x).sum()
        with pytest.raises(TypeError, match=r"exercise relu.grad: <lambda> returned None. Fix: run its check\(\)"):
            y.backward()


def test_an_answer_is_the_function() -> None:
    @minicnn.exercise("relu.grad")
    def mine(grad_y, y):
        """Of ours."""
        return np.where(y > 0, grad_y, 0)

    assert (mine.__name__, mine.__doc__) == ("mine", "Of ours.")
    np.testing.assert_array_equal(mine(np.ones(2), np.array([0.0, 1.0])), [0, 1])
    assert mine(np.ones(1), y=np.ones(1)) == 1


def test_gradcheck_and_the_autopsy_see_the_answer() -> None:
    from .wrong import grad_weight_last_sample

    answer = minicnn.exercise("conv2d.grad_weight")(grad_weight_last_sample)
    x, w = (
        minicnn.from_numpy(np.random.default_rng(0).standard_normal(s)).requires_grad_()
        for s in ((2, 1, 4, 4), (1, 1, 2, 2))
    )
    with answer.active():
        found = minicnn.explain.gradient_autopsy(F.conv2d, (x, w))
    assert found.inputs[0].right
    assert "only the last sample counts" in found.mistakes[0]


def test_it_is_timed_beside_ours() -> None:
    timing = minicnn.exercise("im2col")(task_of("im2col").solution).time(batch=2)
    assert list(timing.seconds) == ["yours", *minicnn.available_backends()]
    assert all(seconds > 0 for seconds in timing.seconds.values())
    for said in ("im2col: x (2, ", "yours", "reference", "numba", " ms", "times as "):
        assert said in str(timing)
    assert timing._repr_html_().startswith("<pre>im2col")
    widths = [bar.get_width() for bar in timing.figure().axes[0].patches]
    assert widths == pytest.approx([1e3 * seconds for seconds in timing.seconds.values()])


FAST = {task.operation: registry.find(task.operation, "numba") for task in TASKS}


@each_task
def test_mnist_is_learnt_with_it(task: Task) -> None:
    """With kernels that are quick; the loops of the reference do it too, and take longer."""
    answer = minicnn.exercise(task.operation)(FAST[task.operation])
    state = minicnn.get_rng_state()
    found = answer.train_mnist(steps=25, data=real_data("mnist"))
    assert found.figure().axes[0].lines[0].get_ydata().tolist() == found.losses
    assert found.learnt, str(found)
    assert found.accuracy > 0.4
    assert len(found.losses) == 25
    assert found.calls >= 25
    assert answer.passed_on == 0
    assert str(minicnn.get_rng_state()) == str(state)
    assert f"25 steps with your {task.operation} ({found.calls} calls" in str(found)
    assert "the network learns" in str(found)


def test_mnist_is_learnt_with_plain_loops_and_not_with_nonsense() -> None:
    data = real_data("mnist")
    solution = task_of("conv2d.grad_weight").solution
    assert minicnn.exercise("conv2d.grad_weight")(solution).train_mnist(steps=8, batch_size=4, data=data).calls == 16

    @minicnn.exercise("cross_entropy.grad")
    def uphill(grad_losses, log_probabilities, target):
        return -task_of("cross_entropy.grad").solution(grad_losses, log_probabilities, target, None, -100, 0.0)

    found = uphill.train_mnist(steps=12, data=data)
    assert not found.learnt
    assert "does not learn: run check()" in str(found)


def test_the_list_of_exercises() -> None:
    found = minicnn.exercises()
    assert len(found) == len({task.operation for task in found}) >= 14
    assert repr(found).splitlines()[3].startswith("conv2d.forward         Convolution")
    html = found._repr_html_()
    for task in found:
        assert task.operation in html
        assert set(task.optional) <= set(task.parameters)


@each_task
def test_every_exercise_has_a_lesson(task: Task) -> None:
    page = (ROOT / task.lesson).read_text()
    assert page.startswith(f"# `{task.operation}`")
    assert f'@minicnn.exercise("{task.operation}")' in page
    solution = f"kernels/{task.solution.__module__.replace('.', '/')}.py"
    assert (ROOT / solution).is_file()
    for said in (
        "## By hand",
        "## Begin",
        "## Hints",
        f"[`{task.solution.__name__}`](../../{solution})",
        task.signature,
    ):
        assert said in page, said
    assert Path(task.lesson).name in (ROOT / "docs/lessons/README.md").read_text()


def test_no_lesson_is_about_nothing() -> None:
    pages = {page.name for page in (ROOT / "docs/lessons").glob("*.md")}
    assert pages == {"README.md", *(Path(task.lesson).name for task in TASKS)}
