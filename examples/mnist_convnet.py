"""Train the lecture's ConvNet on the MNIST handwritten digits.

    python examples/mnist_convnet.py                 5 epochs, about 99 % on the test images
    python examples/mnist_convnet.py --quick         300 steps, to see that everything works
    python examples/mnist_convnet.py --resume        continue after the last finished epoch

The network: conv 5x5 (1 -> 32) - ReLU - max-pool, conv 5x5 (32 -> 64) - ReLU -
max-pool, dropout, fully connected 3136 -> 1000 -> 10; Adam with learning rate
0.001, a tenth of it after 3 epochs; batches of 100. The loop is written out here;
minicnn.train.fit (docs/training.md) is the same loop, ready to be used.

MNIST is looked for in --data-dir, $MINICNN_DATA and the cache, then
downloaded. Without a network the same program trains on the 1,797 smaller
handwritten digits that come with scikit-learn, and says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

import minicnn
from minicnn import datasets, nn, optim, transforms
from minicnn.data import DataLoader, DownloadError, Subset

TRANSFORM = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]  # mean and deviation of MNIST's training pixels
)


class ConvNet(nn.Module):
    """Two convolutions, two fully connected layers: 28x28 pixels in, 10 scores out."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=5, stride=1, padding=2), nn.ReLU(), nn.MaxPool2d(kernel_size=2, stride=2)
        )
        self.layer2 = nn.Sequential(
            nn.Conv2d(32, 64, kernel_size=5, stride=1, padding=2), nn.ReLU(), nn.MaxPool2d(kernel_size=2, stride=2)
        )
        self.drop_out = nn.Dropout()
        self.fc1 = nn.Linear(7 * 7 * 64, 1000)
        self.fc2 = nn.Linear(1000, 10)

    def forward(self, x):
        out = self.layer1(x)  # (N, 1, 28, 28) -> (N, 32, 14, 14)
        out = self.layer2(out)  # (N, 64, 7, 7)
        out = out.reshape(out.size(0), -1)  # (N, 3136)
        out = self.drop_out(out)
        out = self.fc1(out)
        return self.fc2(out)


def load_data(args):
    """MNIST if it can be had, else the digits of scikit-learn: (name, training set, test set)."""
    try:
        train, test = (
            datasets.MNIST(args.data_dir, train=train, transform=TRANSFORM, download=True) for train in (True, False)
        )
        return "MNIST", train, test
    except (DownloadError, PermissionError):
        if args.data_dir:
            print(f"--data-dir: {args.data_dir} lacks files of MNIST, and they cannot be downloaded into it.")
        print(
            "MNIST is not on this machine and no mirror could be reached: "
            "training on scikit-learn's 1,797 smaller digits instead."
        )
    return (
        "scikit-learn digits",
        datasets.Digits(train=True, transform=TRANSFORM),
        datasets.Digits(train=False, transform=TRANSFORM),
    )


def train_epoch(model, loader, device, criterion, optimizer, epoch, epochs, history):
    """One pass over the training images."""
    model.train()
    bar = tqdm(loader, desc=f"Epoch {epoch}/{epochs}", unit="batch", leave=False, disable=None)
    for i, (images, labels) in enumerate(bar, start=1):
        images, labels = images.to(device), labels.to(device)
        outputs = model(images)
        loss = criterion(outputs, labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        _, predicted = minicnn.max(outputs.data, 1)
        accuracy = (predicted == labels).sum().item() / labels.size(0)
        history["loss"].append(loss.item())
        history["accuracy"].append(accuracy)
        bar.set_postfix(loss=f"{loss.item():.4f}", accuracy=f"{accuracy:.2%}")
        if i % 100 == 0 or i == len(loader):
            tqdm.write(
                f"Epoch [{epoch}/{epochs}], Step [{i}/{len(loader)}], "
                f"Loss: {loss.item():.4f}, Accuracy: {accuracy * 100:.2f}%"
            )


def evaluate(model, loader, device):
    """Share of the images that the model classifies right."""
    model.eval()
    correct = total = 0
    with minicnn.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            _, predicted = minicnn.max(model(images).data, 1)
            correct += (predicted == labels).sum().item()
            total += labels.size(0)
    return correct / total


def draw(path, model, data, device, history, title):
    """Curves of the training, and sixteen test images with their predictions, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    loss_axes, accuracy_axes = left.subplots(2, 1, sharex=True)
    loss_axes.plot(history["loss"], linewidth=0.6)
    loss_axes.set(ylabel="training loss", yscale="log", title=title)
    accuracy_axes.plot(history["accuracy"], linewidth=0.4, label="training (batch)")
    accuracy_axes.plot(history["test_step"], history["test_accuracy"], "o-", label="test")
    accuracy_axes.set(xlabel="step", ylabel="accuracy")
    accuracy_axes.legend()

    model.eval()
    images, labels = next(iter(DataLoader(Subset(data, range(16)), batch_size=16)))
    with minicnn.no_grad():
        probabilities, predicted = minicnn.max(nn.functional.softmax(model(images.to(device)), dim=1), 1)
    for k, axes in enumerate(right.subplots(4, 4).flat):
        axes.imshow(images[k, 0].numpy(), cmap="gray")
        right_answer = predicted[k].item() == labels[k].item()
        axes.set_title(
            f"{predicted[k].item()} ({probabilities[k].item():.0%})",
            fontsize=9,
            color="green" if right_answer else "red",
        )
        axes.axis("off")
    right.suptitle("predictions on test images")
    figure.savefig(path, dpi=120)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--epochs", type=int, help="passes over the training images (default: 5; 30 for the small digits)"
    )
    parser.add_argument("--batch-size", type=int, default=100, help="images per step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.001, help="Adam's learning rate (default: %(default)s)")
    parser.add_argument(
        "--lr-step",
        type=int,
        help="epochs after which the learning rate falls to a tenth (default: 3; 18 for the small digits)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of initialisation, order and dropout (default: %(default)s)"
    )
    parser.add_argument(
        "--backend", choices=("numba", "numpy", "reference"), help="which kernels compute (default: the fastest)"
    )
    parser.add_argument("--device", default="cpu", help="where to compute (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of the kernels (default: one per core)")
    parser.add_argument(
        "--data-dir", type=Path, help="folder of the MNIST files (default: $MINICNN_DATA, the cache, a download)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/mnist_convnet"), help="folder of the results (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in the output folder")
    parser.add_argument("--quick", action="store_true", help="one epoch of 300 steps, 2,000 test images")
    args = parser.parse_args(argv)
    for name in ("epochs", "batch_size", "threads", "lr_step"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1; got {value}")
    if not args.lr > 0:
        parser.error(f"--lr must be above 0; got {args.lr}")
    if args.data_dir and args.data_dir.exists() and not args.data_dir.is_dir():
        parser.error(f"--data-dir must be a folder; got the file {args.data_dir}")
    try:  # mistakes that can be told before the data are read
        minicnn.zeros(1, device=args.device)
        if args.threads:
            minicnn.set_num_threads(args.threads)
        if not args.resume:
            args.output.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=args.output).close()
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--output: cannot write into {args.output} ({error.strerror})")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    device = minicnn.device(args.device)
    if args.backend:
        minicnn.use_backend(args.backend)
    minicnn.manual_seed(args.seed)

    name, train_data, test_data = load_data(args)
    epochs = args.epochs or (5 if name == "MNIST" else 30)
    lr_step = args.lr_step or (3 if name == "MNIST" else 18)
    if args.quick:
        epochs = args.epochs or 1
        train_data = Subset(train_data, range(min(300 * args.batch_size, len(train_data))))
        test_data = Subset(test_data, range(min(2000, len(test_data))))
    train_loader = DataLoader(train_data, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test_data, batch_size=500)

    model = ConvNet().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=lr_step, gamma=0.1)
    history = {"loss": [], "accuracy": [], "test_step": [], "test_accuracy": []}
    done = 0

    # What a checkpoint must agree with for the continued run to be the same run.
    settings = {
        "data": name,
        "images": len(train_data),
        "batch_size": args.batch_size,
        "lr": args.lr,
        "lr_step": lr_step,
        "seed": args.seed,
    }
    checkpoint = args.output / "checkpoint.mcnn"
    if args.resume:
        if not checkpoint.exists():
            sys.exit(f"--resume: there is no checkpoint at {checkpoint}; start without --resume")
        state = minicnn.load(checkpoint)
        for key, value in settings.items():
            if state["settings"][key] != value:
                sys.exit(
                    f"--resume: the checkpoint was made with {key} {state['settings'][key]!r}, this run has {value!r}"
                )
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        train_loader.load_state_dict(state["loader"])
        minicnn.set_rng_state(state["rng"])
        history, done = state["history"], state["epoch"]
        print(
            f"Continuing after epoch {done}."
            if done < epochs
            else f"Epoch {done} was the last; --epochs asks for more."
        )

    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{name}: {len(train_data)} training and {len(test_data)} test images; {parameters:,} parameters; "
        f"backend {minicnn.active_backend()}, {minicnn.get_num_threads()} threads"
    )
    start = time.perf_counter()
    try:
        for epoch in range(done + 1, epochs + 1):
            train_epoch(model, train_loader, device, criterion, optimizer, epoch, epochs, history)
            scheduler.step()
            accuracy = evaluate(model, test_loader, device)
            history["test_step"].append(len(history["loss"]))
            history["test_accuracy"].append(accuracy)
            print(
                f"Test accuracy after epoch {epoch}: {accuracy * 100:.2f}% of {len(test_data)} {name} test images "
                f"({time.perf_counter() - start:.0f} s)"
            )
            minicnn.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(),
                    "loader": train_loader.state_dict(),
                    "rng": minicnn.get_rng_state(),
                    "history": history,
                    "epoch": epoch,
                    "settings": settings,
                },
                checkpoint,
            )
    except KeyboardInterrupt:
        finished = len(history["test_accuracy"])
        hint = f"--resume continues after epoch {finished}." if finished else "No epoch was finished."
        sys.exit(f"\nStopped. {hint}")

    if history["test_accuracy"]:
        picture = args.output / "training.png"
        draw(picture, model, test_data, device, history, f"ConvNet on {name}")
        print(f"Curves and predictions: {picture}. Checkpoint: {checkpoint}.")
    return history


if __name__ == "__main__":
    main()
