"""`minicnn.explain`, the arithmetic: one pixel, columns, costs, receptive fields."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("pixel of a network", "torch.explain.pixel(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()), torch.zeros(1, 1, 2, 2), at=(0, 0, 0, 0))",
            ValueError, ("one operation", "what ran is conv2d, relu", "net[0]")),
    Mistake("pixel that is not there", "torch.explain.pixel(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), at=(0, 0, 3, 0))", ValueError,
            ("at=(0, 0, 3, 0)", "(1, 1, 3, 3)", "0 to 2")),
    Mistake("pixel with too few numbers", "torch.explain.pixel(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), at=(0, 0))", ValueError,
            ("at=(0, 0)", "expected 4 whole numbers")),
    Mistake("pixel of what", "torch.explain.pixel(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), at=(0,), of='bias')", ValueError,
            ("'bias'", "'grad_bias'")),
    Mistake("a gradient that there is not", "torch.explain.pixel(nn.MaxPool2d(2), torch.zeros(1, 1, 4, 4), at=(0,), of='grad_weight')",
            ValueError, ("max_pool2d has no weight",)),
    Mistake("a gradient of another shape", """
        torch.explain.pixel(nn.Linear(2, 3), torch.zeros(1, 2), at=(0, 0), of='grad_input', grad_output=torch.zeros(3))
        """, ValueError, ("grad_output", "(1, 3)", "(3,)")),
    Mistake("pixel of a layer's name", "torch.explain.pixel('conv1', torch.zeros(1, 1, 4, 4), at=(0, 0, 0, 0))", TypeError,
            ("a layer or a function", "got str")),
    Mistake("im2col of a layer without a window", "torch.explain.im2col(nn.Linear(2, 2), torch.zeros(1, 2))", ValueError,
            ("conv2d, max_pool2d", "what ran is linear")),
    Mistake("im2col of a sample that is not there", "torch.explain.im2col(nn.MaxPool2d(2), torch.zeros(1, 1, 4, 4), sample=1)", ValueError,
            ("sample=1", "0 to 0")),
    Mistake("comparing what computes nothing", "torch.explain.compare(nn.Flatten(), torch.zeros(1, 2, 2))", ValueError, ("no kernel",)),
    Mistake("a negative time", "torch.explain.compare(nn.ReLU(), torch.zeros(2), seconds=-1)", ValueError, ("seconds", "-1")),
    Mistake("costs without a size", "torch.explain.compare_cost({'a': nn.Conv2d(1, 1, 1)})", ValueError, ("'a' has no size", "(C, H, W)")),
    Mistake("costs without names", "torch.explain.compare_cost([nn.Conv2d(1, 1, 1)], (1, 2, 2))", ValueError, ("names and designs",)),
    Mistake("receptive field of a layer that is not there", "torch.explain.receptive_field(nn.Sequential(nn.ReLU()), 'relu', (1, 4, 4))",
            ValueError, ("'relu' is no layer", "'0'")),
    Mistake("receptive field of an output that is not there",
            "torch.explain.receptive_field(nn.Conv2d(1, 1, 3), None, (1, 5, 5), at=(3, 0))", ValueError, ("at=(3, 0)", "0 to 2")),
]  # fmt: skip
