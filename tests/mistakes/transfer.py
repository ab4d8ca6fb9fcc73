"""Transfer learning: freezing, rates by layer, heads, features."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("freezing a layer that is not there", "models.freeze(models.squeezenet1_1(num_classes=2), 'feature.*')", ValueError,
            ("'feature.*'", "SqueezeNet", "'features'")),
    Mistake("brackets instead of dots", "models.freeze(models.squeezenet1_1(num_classes=2), until='features[3]')", ValueError,
            ("'features[3]'", "'features.3'")),
    Mistake("a layer instead of its path", "net = nn.Sequential(nn.Linear(2, 2)); models.freeze(net, net[0])", TypeError,
            ("string", "Linear")),
    Mistake("the name of a model for the model", "models.freeze('resnet18', 'fc')", TypeError, ("expected a model", "get_model")),
    Mistake("patterns without rates", "models.parameter_groups(nn.Linear(2, 2), ['weight'])", TypeError,
            ("dictionary", "list")),
    Mistake("parameters without a learning rate", """
        net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        models.parameter_groups(net, {'0': 0.1})
        """, ValueError, ("1.weight", "1.bias", "default=")),
    Mistake("the general pattern first", "models.parameter_groups(nn.Linear(2, 2), {'*': 0.1, 'bias': 0.2})", ValueError,
            ("'bias'", "first", "before")),
    Mistake("everything is frozen", """
        net = nn.Linear(2, 2)
        models.freeze(net)
        models.parameter_groups(net, {'*': 0.1})
        """, ValueError, ("frozen", "models.unfreeze")),
    Mistake("no classes", "models.replace_head(models.squeezenet1_1(num_classes=2), 0)", ValueError, ("num_classes", "0")),
    Mistake("a head that cannot be found", "models.replace_head(nn.Sequential(nn.ReLU()), 2)", ValueError, ("Sequential", "head='fc'")),
    Mistake("features of a parameter", "models.features(models.squeezenet1_1(num_classes=2), 'features.0.weight')", ValueError,
            ("no layer", "'features.0'")),
    Mistake("features of a layer that does not run", """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc, self.old = nn.Linear(2, 2), nn.Linear(2, 2)
            def forward(self, x):
                return self.fc(x)
        models.features(Net(), 'old')
        """, ValueError, ("does not run", "'old'")),
]  # fmt: skip
