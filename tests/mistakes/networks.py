"""Sizes that do not fit inside of a network: the message has the layer, the sizes up to there, the number to write."""

from tests.mistakes.mistake import Mistake

NET = """
class Net(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Linear(features, 10)
    def forward(self, x):
        x = self.body(self.features(x))
        return self.fc(self.rows(x))
    def rows(self, x):
        return x.flatten(1)
"""
BLOCK = """
class Block(nn.Module):
    def __init__(self, **how):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, **how)
    def forward(self, x):
        return self.join(self.conv(x), x)
    def join(self, y, x):
        return y + x
"""

ROWS = [
    Mistake("a convolution after one with other channels",
            "nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Conv2d(8, 8, 3))(torch.zeros(1, 1, 9, 9))", ValueError,
            ("in layer '1': Conv2d", "input           (1, 1, 9, 9)", "0 (Sequential)  (1, 4, 7, 7)", "1 (Conv2d)      got (1, 4, 7, 7)")),
    Mistake("the number of features after flatten", NET + "Net(1024)(torch.zeros(2, 3, 28, 28))", ValueError,
            ("in_features = 784, Linear(784, 10)", "in layer 'fc'", "input                  (2, 3, 28, 28)",
             "features (Sequential)  (2, 8, 14, 14)", "fc (Linear)            got (2, 784), flattened: 16*7*7 = 784")),
    Mistake("one image without batch axis", """
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 30 * 30, 10))(torch.zeros(3, 32, 32))
        """, ValueError, ("x[None]", "x.unsqueeze(0)", "8*900 = 7200")),
    Mistake("channels last", "nn.Conv2d(3, 8, 3)(torch.zeros(4, 32, 32, 3))", ValueError, ("Fix: x.permute(0, 3, 1, 2)", "(4, 32, 32, 3)")),
    Mistake("one image, channels last", "nn.Conv2d(3, 8, 3)(torch.zeros(32, 32, 3))", ValueError, ("x.permute(2, 0, 1)",)),
    Mistake("labels from -1", "F.cross_entropy(torch.zeros(2, 3), torch.tensor([-1, 1]))", ValueError, ("ignore_index=-1", "count from 0")),
    Mistake("a Flatten layer", """
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(100, 10))(torch.zeros(2, 1, 8, 8))
        """, ValueError, ("Linear(144, 10)", "2 (Linear)   got (2, 144), flattened: 4*6*6 = 144")),
    Mistake("flatten forgotten", NET + "net = Net(784); net.rows = lambda x: x; net(torch.zeros(2, 3, 28, 28))", ValueError,
            ("x.flatten(1) before it, which makes (N, 16*7*7 = 784)", "fc (Linear)            got (2, 16, 7, 7)")),
    Mistake("view with the wrong number", NET + "net = Net(400); net.rows = lambda x: x.view(-1, 400); net(torch.zeros(2, 3, 28, 28))",
            ValueError, ("1568 / 400 is no integer", "(2, 16*7*7 = 784)", "in layer Net", "body (Sequential)      (2, 16, 7, 7)")),
    Mistake("a batch norm for other channels", "nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(4))(torch.zeros(2, 1, 5, 5))", ValueError,
            ("C=4", "Fix: BatchNorm2d(2)", "0 (Conv2d)       (2, 2, 3, 3)")),
    Mistake("the batch norm of images on features", "nn.Sequential(nn.Flatten(), nn.BatchNorm2d(4))(torch.zeros(2, 4))", ValueError,
            ("(2, 4)", "Fix: BatchNorm1d(4)")),
    Mistake("pooled away deep in a network", "nn.Sequential(*[nn.MaxPool2d(2) for _ in range(12)])(torch.zeros(1, 1, 512, 512))", ValueError,
            ("= floor((1 + 0 - 1*(2 - 1) - 1) / 2) + 1 = 0", "... 2 layers before", "9 (MaxPool2d)        got (1, 1, 1, 1)")),
    Mistake("a shortcut of another size", BLOCK + "nn.Sequential(Block(stride=2, padding=1))(torch.zeros(2, 3, 28, 28))", ValueError,
            ("nn.Conv2d(3, 8, kernel_size=1, stride=2) on the second", "3 to 8 channels, 28 x 28 to 14 x 14", "0 (Block)        got (2, 3, 28, 28)",
             "0.conv (Conv2d)  (2, 8, 14, 14)")),
    Mistake("a shortcut around a convolution without padding", BLOCK + "Block()(torch.zeros(2, 3, 28, 28))", ValueError,
            ("(2, 8, 26, 26)", "padding=(kernel_size - 1)//2 keeps 28 x 28", "conv (Conv2d)  (2, 8, 26, 26)")),
    Mistake("branches of two sizes", BLOCK + """
block = Block(stride=2, padding=1)
block.join = lambda y, x: torch.cat([y, x], 1)
block(torch.zeros(2, 3, 28, 28))
""", ValueError, ("cat", "nn.Conv2d(3, 3, kernel_size=1, stride=2) on the second", "28 x 28 to 14 x 14")),
    Mistake("one number per channel", "torch.zeros(2, 64, 8, 8) * torch.ones(64)", ValueError, ("x.reshape(1, 64, 1, 1)",)),
]  # fmt: skip
