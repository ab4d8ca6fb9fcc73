"""What an optimiser is given."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("negative learning rate", "optim.SGD(nn.Linear(1, 1).parameters(), lr=-0.1)", ValueError, ("lr", "-0.1")),
    Mistake("no parameters", "optim.Adam([])", ValueError, ("empty",)),
    Mistake("one tensor instead of a list", "optim.SGD(torch.ones(1, requires_grad=True), lr=0.1)", TypeError, ("list", "parameters()")),
    Mistake("a model instead of its parameters", "optim.Adam(nn.Linear(1, 1))", TypeError, ("Linear", "model.parameters()")),
    Mistake("Nesterov without momentum", "optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, nesterov=True)", ValueError, ("momentum",)),
    Mistake("beta of 1", "optim.Adam(nn.Linear(1, 1).parameters(), betas=(0.9, 1.0))", ValueError, ("bet", "1.0")),
]  # fmt: skip
