"""Residual and plain networks on CIFAR-10, by the recipe of the paper.

    python examples/cifar10_resnet.py                         ResNet-20 and plain-20, a short training of each
    python examples/cifar10_resnet.py --models resnet56 plain56 resnet20 plain20
    python examples/cifar10_resnet.py --full --device cuda    the paper's 64,000 iterations (days on a CPU)
    python examples/cifar10_resnet.py --quick                 a few images, to see that everything works

He, Zhang, Ren & Sun, *Deep residual learning for image recognition*, 2015, section 4.2: stochastic gradient descent
with learning rate 0.1, momentum 0.9 and weight decay 0.0001, 128 images per step; a tenth of the rate after 32,000
and again after 48,000 of 64,000 iterations; the mean image of the training set is subtracted; an image is padded by 4
pixels, cut to 32 x 32 at random and mirrored half the time. Without --full, --images and --epochs make it shorter, and
the rate falls after half and after three quarters of the steps, as in the paper.

The paper's errors on the 10,000 test images, after all iterations: ResNet-20 8.75 %, ResNet-56 6.97 % (table 6);
plain-56 has a higher training error than plain-20 (figure 6, left).

The output folder has errors.png, as figure 6 draws it, results.json, and a folder for every network with its
checkpoint: a training that was stopped goes on with --resume.

CIFAR-10 is looked for in --data-dir, $MINICNN_DATA and the cache, then downloaded.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import minicnn
from minicnn import datasets, models, optim, train, transforms
from minicnn.data import DataLoader, DownloadError, Subset

NETWORKS = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "plain20", "plain56")
ITERATIONS = 64_000
DROPS = (0.5, 0.75)  # parts of the training after which the learning rate falls to a tenth


# ------------------------------------------------------------------------ data


class SubtractMean:
    """An image as a tensor (3, 32, 32), minus the mean image of the training set."""

    def __init__(self, images):
        mean = np.mean(images, axis=0, dtype=np.float64) / 255  # (32, 32, 3)
        self.mean = minicnn.tensor(mean.transpose(2, 0, 1).astype(np.float32))

    def __call__(self, image):
        return transforms.functional.to_tensor(image) - self.mean


def load_data(args):
    """Training images with augmentation, and test images."""
    try:
        training, test = (datasets.CIFAR10(args.data_dir, train=part, download=True) for part in (True, False))
    except (DownloadError, PermissionError) as error:
        sys.exit(f"CIFAR-10 is not in --data-dir, $MINICNN_DATA or the cache, and cannot be downloaded: {error}")
    centred = SubtractMean(training.data)
    padded = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]  # with zeros: the mean
    training.transform, test.transform = transforms.Compose([centred, *padded]), centred
    if args.images:
        training = Subset(training, range(min(args.images, len(training))))
    if args.test_images:
        test = Subset(test, range(min(args.test_images, len(test))))
    return training, test


# ------------------------------------------------------------------------ training


def train_one(name, training, test, args):
    """One network by the paper's recipe; its history."""
    minicnn.manual_seed(args.seed)
    model = models.get_model(name)
    batches = DataLoader(training, batch_size=args.batch_size, shuffle=True, num_workers=args.workers)
    steps = ITERATIONS if args.full else args.epochs * len(batches)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    schedule = optim.lr_scheduler.MultiStepLR(optimizer, [round(part * steps) for part in DROPS], gamma=0.1)
    folder = args.output / name
    history = train.fit(
        model,
        batches,
        DataLoader(test, batch_size=500, num_workers=args.workers),
        optimizer=optimizer,
        epochs=-(-steps // len(batches)),
        scheduler=train.LRSchedule(schedule, every="step"),
        callbacks=[train.ModelCheckpoint(folder, "val_accuracy", overwrite=not args.resume), Report(name)],
        device=args.device,
        resume=args.resume,
    )
    if history.stopped:
        sys.exit(f"Stopped ({history.stopped}); --resume goes on.")
    return history


class Report(train.Callback):
    """One line for every epoch."""

    only_writes = True

    def __init__(self, name):
        self.name = name

    def on_epoch_end(self, run, row):
        seconds = run.history.seconds[-1]
        print(
            f"{self.name}, epoch {row['epoch']}/{run.epochs}, {row['step']} steps: training loss {row['loss']:.3f}, "
            f"error {1 - row['accuracy']:.1%}; test error {1 - row['val_accuracy']:.1%} ({seconds:.0f} s)",
            flush=True,
        )


def draw(histories, path):
    """Training errors (thin, dashed) and test errors (bold) over the steps, as in figure 6 of the paper."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for k, (name, history) in enumerate(histories.items()):
        steps, colour = history["step"], f"C{k}"
        axes.plot(steps, [100 * (1 - a) for a in history["accuracy"]], "--", linewidth=1, color=colour)
        axes.plot(steps, [100 * (1 - a) for a in history["val_accuracy"]], "o-", markersize=3, color=colour, label=name)
    axes.set(xlabel="step", ylabel="error (%)", title="CIFAR-10: training error (dashed) and test error")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


# ------------------------------------------------------------------------ the program


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data-dir", type=Path, help="folder of CIFAR-10 (default: $MINICNN_DATA, the cache, a download)")
    add("--models", nargs="+", choices=NETWORKS, default=["resnet20", "plain20"], metavar="NAME",
        help=f"which networks, of {', '.join(NETWORKS)} (default: resnet20 plain20)")  # fmt: skip
    add("--full", action="store_true", help="all images, 64,000 iterations")
    add("--epochs", type=int, help="of a short training (default: 5; quick: 2)")
    add("--images", type=int, help="training images of a short training (default: 10000; quick: 64)")
    add("--test-images", type=int, help="test images (default: all; quick: 64)")
    add("--batch-size", type=int, help="images per step (default: 128; quick: 16)")
    add("--lr", type=float, default=0.1, help="learning rate at first (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the weights, the order, the augmentation (default: %(default)s)")
    add("--workers", type=int, default=1, help="threads that prepare images ahead (default: %(default)s)")
    add("--threads", type=int, help="threads of the kernels (default: one per core)")
    add("--device", default="cpu", help="where to compute: cpu, cuda (default: %(default)s)")
    output = Path("output/cifar10_resnet")
    add("--output", type=Path, default=output, help="folder of the results (default: %(default)s)")
    add("--resume", action="store_true", help="go on with trainings in the output folder")
    add("--quick", action="store_true", help="64 images, two epochs")
    args = parser.parse_args(argv)
    if args.full and (args.quick or args.epochs or args.images):
        parser.error("--full is the paper's training of all images; --quick, --epochs and --images make it shorter")
    short = {"epochs": (5, 2), "images": (10_000, 64), "test_images": (None, 64), "batch_size": (128, 16)}
    for name, (usual, quick) in short.items():
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1; got {value}")
        if value is None and not (args.full and name != "batch_size"):
            setattr(args, name, quick if args.quick else usual)
    if args.workers < 0:
        parser.error(f"--workers must be at least 0; got {args.workers}")
    if not args.lr > 0:
        parser.error(f"--lr must be above 0; got {args.lr}")
    try:
        minicnn.zeros(1, device=args.device)  # says what is missing
        if args.threads is not None:
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
    print(f"CIFAR-10: {len(training)} training and {len(test)} test images; {minicnn.get_num_threads()} threads")
    histories = {}
    for name in args.models:
        try:
            histories[name] = train_one(name, training, test, args)
        except train.ResumeError as error:
            sys.exit(f"--resume: {error}")
    draw(histories, args.output / "errors.png")
    results = {name: {"history": history.rows, "seconds": history.seconds} for name, history in histories.items()}
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    (args.output / "results.json").write_text(json.dumps({"settings": settings, "results": results}, indent=2))
    for name, history in histories.items():
        last = history.rows[-1]
        print(f"{name:10} after {last['step']} steps: test error {1 - last['val_accuracy']:.2%}")
    print(f"errors.png, results.json, checkpoints: {args.output}")
    return results


if __name__ == "__main__":
    main()
