"""Exercises and autopsies of gradients."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("a misspelt exercise", "torch.exercise('conv2d.grad_wieght')", ValueError, ("Did you mean 'conv2d.grad_weight'?",)),
    Mistake("an answer with other parameters", """
        @torch.exercise('im2col')
        def im2col(x):
            return x
        """, TypeError, ("the function takes (x); expected (x, window) -> columns",)),
    Mistake("no cases", "torch.exercise('relu.grad')(lambda grad_y, y: grad_y).check(0)", ValueError, ("at least 1; got 0",)),
    Mistake("no steps", "torch.exercise('relu.grad')(lambda grad_y, y: grad_y).train_mnist(steps=0)", ValueError, ("steps", "0 and 16")),
    Mistake("an autopsy in float32", "torch.explain.gradient_autopsy(F.relu, torch.ones(2, requires_grad=True))", TypeError,
            ("float32", "x.double()")),
    Mistake("an autopsy of nothing", "torch.explain.gradient_autopsy(F.relu, torch.ones(2, dtype=torch.float64))", ValueError,
            ("requires_grad=True",)),
    Mistake("an autopsy beside another function", """
        torch.explain.gradient_autopsy(F.relu, torch.ones(2, dtype=torch.float64, requires_grad=True), like=F.silu)
        """, ValueError, ("must compute the same", "at index (0,): 1 and 0.731059")),
]  # fmt: skip
