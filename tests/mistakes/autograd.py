"""Gradients: backward twice, of no scalar, after a change in place."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("backward of a vector", "torch.ones(3, requires_grad=True).exp().backward()", RuntimeError, ("scalar", "(3,)", "mean()")),
    Mistake("backward twice", "y = torch.ones(3, requires_grad=True).exp().sum(); y.backward(); y.backward()", RuntimeError,
            ("second time", "retain_graph=True")),
    Mistake("backward without a gradient", "torch.ones(3).sum().backward()", RuntimeError, ("does not require", "requires_grad=True")),
    Mistake("backward under no_grad", "with torch.no_grad(): y = torch.ones(1, requires_grad=True) * 2\ny.backward()", RuntimeError,
            ("no_grad",)),
    Mistake("change in place before backward", "w = torch.ones(3, requires_grad=True); h = w * 1; y = (h * h).sum(); h += 1; y.backward()",
            RuntimeError, ("in place", "version 1", "version 0")),
    Mistake("change of a leaf in place", "w = torch.ones(3, requires_grad=True); w += 1", RuntimeError, ("leaf", "no_grad")),
    Mistake("numpy() of a tensor with a gradient", "torch.ones(3, requires_grad=True).numpy()", RuntimeError, ("detach().numpy()",)),
    Mistake("writing into an expanded tensor", "x = torch.zeros(1).expand(3); x[0] = 1", (ValueError, RuntimeError), ("clone()",)),
    Mistake("gradient of another shape", "torch.ones(3, requires_grad=True).exp().backward(torch.ones(2))", ValueError, ("(3,)", "(2,)")),
]  # fmt: skip
