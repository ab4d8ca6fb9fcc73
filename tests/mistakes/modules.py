"""Layers and the networks that one builds of them."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("missing and unexpected keys", "nn.Linear(2, 3).load_state_dict({'weight': torch.zeros(3, 2), 'extra': torch.zeros(1)})",
            ValueError, ("bias", "extra")),
    Mistake("mis-shaped key", "nn.Linear(2, 3).load_state_dict({'weight': torch.zeros(3, 4), 'bias': torch.zeros(3)})", ValueError,
            ("weight", "(3, 4)", "(3, 2)")),
    Mistake("layers before super().__init__()", """
        class Net(nn.Module):
            def __init__(self):
                self.fc = nn.Linear(1, 1)
        Net()
        """, (AttributeError, TypeError, ValueError), ("super().__init__()",)),
    Mistake("misspelt attribute", "nn.Linear(1, 1).wieght", AttributeError, ("wieght",)),
    Mistake("module without forward", "nn.Module()(torch.zeros(1))", (TypeError, AttributeError), ("forward",)),
    Mistake("dropout probability above 1", "nn.Dropout(1.5)", ValueError, ("1.5", "0", "1")),
    Mistake("dropout probability as text", "nn.Dropout('a half')", TypeError, ("probability", "'a half'", "str")),
    Mistake("misspelt mode of stochastic depth", "nn.StochasticDepth(0.5, 'rows')", ValueError, ("'row'", "'batch'", "'rows'")),
    Mistake("a function in Sequential", "nn.Sequential(nn.Linear(1, 1), F.relu)", TypeError, ("Module", "ReLU")),
    Mistake("negative channels", "nn.Conv2d(-1, 3, 3)", ValueError, ("-1",)),
]  # fmt: skip
