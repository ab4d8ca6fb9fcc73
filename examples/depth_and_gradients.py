"""Why deep plain networks do not learn, and what mends them: five networks of the same depth on MNIST.

    python examples/depth_and_gradients.py                   five networks of 32 layers, 300 steps each
    python examples/depth_and_gradients.py --depth 56        deeper
    python examples/depth_and_gradients.py --quick           small, to see that everything works

All have the same convolutions, 3 x 3 with 16 channels on 14 x 14 pixels. They differ in what is between them:

1. sigmoid: its slope is at most 1/4, and the gradient is multiplied by it in every layer;
2. ReLU, with PyTorch's usual initial weights, which make the signal smaller from layer to layer;
3. ReLU, with He's initial weights, which keep its size at first (He et al., 2015a);
4. ReLU and batch normalisation (Ioffe & Szegedy, 2015);
5. the same with a shortcut around every two layers: a residual network (He et al., 2015b).

For each the program shows how large the gradient of the loss is in every layer before the first step, and what a
short training brings: flow.png, learning.png, results.json.

MNIST is looked for in --data-dir, $MINICNN_DATA and the cache, then downloaded.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from pathlib import Path

from tqdm import tqdm

import minicnn
from minicnn import datasets, explain, nn, optim, train, transforms
from minicnn.data import DataLoader, DownloadError, Subset

CHANNELS = 16
TRANSFORM = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])


# ------------------------------------------------------------------------ the networks


class Layer(nn.Sequential):
    """A convolution, batch normalisation if asked for, and the nonlinearity."""

    def __init__(self, in_channels, out_channels, act, norm, stride=1):
        conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=not norm)
        super().__init__(conv, *([nn.BatchNorm2d(out_channels)] if norm else []), act())


class Residual(nn.Module):
    """y = relu(x + f(x)), where f is two convolutions with batch normalisation."""

    def __init__(self, channels, act, norm):
        super().__init__()
        self.first = Layer(channels, channels, act, norm)
        self.second = Layer(channels, channels, nn.Identity, norm)
        self.act = act()

    def forward(self, x):
        return self.act(x + self.second(self.first(x)))


def deep(depth, act=nn.ReLU, norm=False, residual=False, he=False):
    """A network with ``depth`` layers that have weights: depth - 1 convolutions, and one fully connected layer."""
    layers = [Layer(1, CHANNELS, act, norm, stride=2)]  # (N, 16, 14, 14)
    if residual:
        layers += [Residual(CHANNELS, act, norm) for _ in range((depth - 2) // 2)]
    else:
        layers += [Layer(CHANNELS, CHANNELS, act, norm) for _ in range(depth - 2)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10))
    if he:
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


NETWORKS = {
    "sigmoid": {"act": nn.Sigmoid},
    "ReLU": {},
    "ReLU, He's weights": {"he": True},
    "ReLU, batch norm": {"he": True, "norm": True},
    "residual": {"he": True, "norm": True, "residual": True},
}


# ------------------------------------------------------------------------ measuring


def signals(model, batch):
    """Gradient at the output of each convolution, from the first to the last, before any step."""
    flow = explain.gradient_flow(model, batch)
    return [row.gradient for row in flow.rows if row.type == "Conv2d"]


def learn(model, loader, steps, lr, title):
    """Train for so many steps; the loss of each."""
    optimizer, criterion = optim.SGD(model.parameters(), lr=lr, momentum=0.9), nn.CrossEntropyLoss()
    losses = []
    model.train()
    bar = tqdm(total=steps, desc=title, leave=False, disable=None)
    while len(losses) < steps:
        for images, labels in islice(loader, steps - len(losses)):
            loss = criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            bar.update()
    bar.close()
    return losses


# ------------------------------------------------------------------------ pictures


def draw_flow(results, path):
    """The gradient in every layer, on a logarithmic axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        values = result["gradients"]
        shown = [value or float("nan") for value in values]
        axes.plot(range(1, len(values) + 1), shown, "o-", markersize=3, label=name)
    axes.set(yscale="log", xlabel="convolution, from the image to the output", ylabel="gradient (root mean square)")
    axes.set_title("The gradient of the loss on its way back, before the first step")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def draw_learning(results, path):
    """The loss of every step, averaged over ten."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        losses = result["losses"]
        means = [sum(losses[max(0, k - 9) : k + 1]) / min(10, k + 1) for k in range(len(losses))]
        axes.plot(range(1, len(means) + 1), means, label=f"{name}: {result['accuracy']:.1%} of the test images")
    axes.set(xlabel="step", ylabel="training loss", ylim=(0, 4))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


# ------------------------------------------------------------------------ the program


def load_data(args):
    try:
        training, test = (
            datasets.MNIST(args.data_dir, train=part, transform=TRANSFORM, download=True) for part in (True, False)
        )
    except (DownloadError, PermissionError) as error:
        sys.exit(f"MNIST is not in --data-dir, $MINICNN_DATA or the cache, and cannot be downloaded: {error}")
    if args.quick:
        training, test = Subset(training, range(512)), Subset(test, range(256))
    return training, test


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="folder of MNIST (default: $MINICNN_DATA, the cache, a download)")
    parser.add_argument("--depth", type=int, help="layers with weights, an even number (default: 32; quick: 8)")
    parser.add_argument("--steps", type=int, help="of each training (default: 300; quick: 10)")
    parser.add_argument("--batch-size", type=int, default=64, help="images per step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.01, help="of SGD with momentum 0.9 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of the kernels (default: one per core)")
    parser.add_argument(
        "--output", type=Path, default=Path("output/depth_and_gradients"), help="(default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="512 images, 8 layers, 10 steps")
    args = parser.parse_args(argv)
    args.depth = args.depth if args.depth is not None else (8 if args.quick else 32)
    args.steps = args.steps if args.steps is not None else (10 if args.quick else 300)
    for name in ("steps", "batch_size", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1; got {value}")
    if args.depth < 4 or args.depth % 2:
        parser.error(f"--depth must be an even number from 4 on, for blocks of two layers; got {args.depth}")
    if not args.lr > 0:
        parser.error(f"--lr must be above 0; got {args.lr}")
    try:
        if args.threads:
            minicnn.set_num_threads(args.threads)
        args.output.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--output: cannot write into {args.output} ({error.strerror})")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    training, test = load_data(args)
    print(f"{args.depth} layers, {args.steps} steps of {args.batch_size} images, learning rate {args.lr:g}")
    print(f"{'':20}{'gradient, first':>16}{'last conv':>12}{'first/last':>12}{'loss, begin':>13}{'end':>8}{'test':>8}")
    results = {}
    for name, config in NETWORKS.items():
        minicnn.manual_seed(args.seed)
        loader = DataLoader(training, batch_size=args.batch_size, shuffle=True)
        model = deep(args.depth, **config)
        gradients = signals(model, next(iter(loader)))
        losses = learn(model, loader, args.steps, args.lr, name)
        accuracy = train.evaluate(model, DataLoader(test, batch_size=500))["accuracy"]
        end = sum(losses[-10:]) / len(losses[-10:])
        results[name] = {"gradients": gradients, "losses": losses, "end": end, "accuracy": accuracy}
        first, last = gradients[0], gradients[-1]
        print(
            f"{name:20}{first:>16.2g}{last:>12.2g}{first / last if last else float('nan'):>12.2g}"
            f"{losses[0]:>13.2f}{end:>8.2f}{accuracy:>8.1%}",
            flush=True,
        )
    draw_flow(results, args.output / "flow.png")
    draw_learning(results, args.output / "learning.png")
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    (args.output / "results.json").write_text(json.dumps({"settings": settings, "results": results}, indent=2))
    print(f"flow.png, learning.png, results.json: {args.output}")
    return results


if __name__ == "__main__":
    main()
