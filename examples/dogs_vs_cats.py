"""The lab: train AlexNet to tell dogs from cats, on a folder of photos.

    python examples/dogs_vs_cats.py --data-dir DATA                            augmentation and dropout
    python examples/dogs_vs_cats.py --data-dir DATA --no-augmentation          the photos as they are
    python examples/dogs_vs_cats.py --data-dir DATA --dropout 0                without dropout
    python examples/dogs_vs_cats.py --data-dir DATA --features                 SqueezeNet's ImageNet features
    python examples/dogs_vs_cats.py --data-dir DATA --quick                    to see that everything works

AlexNet starts from random weights and sees the photos at 227 x 227, rescaled to
numbers around 0, and in every epoch turned, shifted, sheared, zoomed and mirrored
in another way. What is best on the validation photos is kept, and shown 10 photos
of test/ that no decision depended on (of validation/ if there is no test/).

The output folder then has curves.png, predictions.png, history.csv, results.json,
best.mcnn, and last.mcnn, from which --resume goes on with a training that was stopped.

--data-dir (or $MINICNN_DATA) is the folder that holds dogs_vs_cats_small, or that
folder itself: train/cat, train/dog, validation/cat, validation/dog, and test/cat,
test/dog. examples/transfer_learning.py compares features with fine-tuning.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from transfer_learning import NORMALIZE, compute_features, find_folder, find_weights, without_last_relu

import minicnn
from minicnn import datasets, models, nn, optim, train, transforms
from minicnn.data import DataLoader, Subset

ALEXNETS = ("alexnet", "alexnet_2012", "alexnet_one_tower")
HELD_OUT = 10  # photos that are drawn with their predictions
QUICK_IMAGES = 64
FEATURE_EPOCHS = 30  # of the head alone; they cost next to nothing


# ------------------------------------------------------------------------ data


def plain(size):
    """The whole photo at one size, as numbers around 0."""
    return transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor(), NORMALIZE])


def augmented(size):
    """The same, each time turned, shifted, zoomed, sheared and mirrored in another way."""
    return transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.RandomAffine(
                degrees=15, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=10, fill_mode="nearest"
            ),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            NORMALIZE,
        ]
    )  # fmt: skip


def spread(data, count):
    """``count`` samples, evenly from all classes: the files are sorted by class."""
    count = min(count, len(data))
    return Subset(data, [i * len(data) // count for i in range(count)])


def load_data(folder, args):
    """Training photos, validation photos, and those held out to be drawn."""
    changed = plain if args.no_augmentation or args.features else augmented
    held_out = folder / "test" if (folder / "test").is_dir() else folder / "validation"
    training = datasets.ImageFolder(folder / "train", changed(args.size))
    validation = datasets.ImageFolder(folder / "validation", plain(args.size))
    if training.classes != validation.classes:
        sys.exit(f"{folder}: train has the classes {training.classes}, validation {validation.classes}")
    shown = spread(datasets.ImageFolder(held_out, plain(args.size)), HELD_OUT)
    if args.quick:
        return spread(training, QUICK_IMAGES), spread(validation, QUICK_IMAGES), shown, training.classes
    return training, validation, shown, training.classes


# ------------------------------------------------------------------------ training


def fit(model, training, validation, args, epochs):
    """Train with the best and the last state kept in the output folder; the model then has its best weights."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    checkpoint = train.ModelCheckpoint(args.output, monitor="val_accuracy", overwrite=not args.resume)
    history = train.fit(
        model,
        DataLoader(training, batch_size=args.batch_size, shuffle=True, num_workers=args.workers),
        DataLoader(validation, batch_size=args.batch_size, num_workers=args.workers),
        optimizer=optim.Adam(parameters, lr=args.lr),
        epochs=epochs,
        callbacks=[checkpoint, train.CSVLogger(args.output / "history.csv"), Report()],
        device=args.device,
        resume=args.resume,
    )
    if history.rows:
        model.load_state_dict(minicnn.load(checkpoint.best)["model"])
    return history


class Report(train.Callback):
    """One line for every epoch."""

    only_writes = True

    def on_epoch_end(self, run, row):
        print(
            f"epoch {row['epoch']}/{run.epochs}: loss {row['loss']:.3f}, accuracy {row['accuracy']:.1%}; "
            f"validation: loss {row['val_loss']:.3f}, accuracy {row['val_accuracy']:.1%}  "
            f"({run.history.seconds[-1]:.0f} s)",
            flush=True,
        )


def from_scratch(training, validation, args):
    """AlexNet from random weights: (model, history)."""
    model = models.get_model(args.model, num_classes=2, dropout=args.dropout)
    return model, fit(model, training, validation, args, args.epochs)


def from_features(training, validation, args, weights):
    """SqueezeNet, which knows ImageNet, with a new head: the frozen part is computed once per photo."""
    try:
        model = without_last_relu(models.squeezenet1_1(weights=weights))
    except ValueError as error:  # another network's, or no weights at all
        sys.exit(f"--weights: {error}")
    models.replace_head(model, num_classes=2)
    models.freeze(model, "features")
    seen, unseen = (
        compute_features(model, data, args, f"features of the {title} photos")
        for data, title in ((training, "training"), (validation, "validation"))
    )
    head = nn.Sequential(model.classifier, nn.Flatten())  # (N, 512, 1, 1) -> (N, 2)
    return model, fit(head, seen, unseen, args, args.epochs)


# ------------------------------------------------------------------------ pictures


def draw_predictions(model, photos, classes, device, path):
    """The held-out photos with the probability of the class that the model sees; how many are right."""
    from matplotlib.figure import Figure

    images = minicnn.stack([image for image, _ in photos])  # (N, 3, S, S)
    probabilities, predicted = train.predict(model, images, batch_size=len(photos), device=device).softmax(1).max(1)
    shown = transforms.Denormalize(NORMALIZE.mean, NORMALIZE.std)(images).clamp(0, 1).permute(0, 2, 3, 1)
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    right = 0
    for k, axes in enumerate(figure.subplots(2, -(-len(photos) // 2), squeeze=False).flat):
        axes.axis("off")
        if k < len(photos):
            truth, seen = photos[k][1], predicted[k].item()
            right += truth == seen
            axes.imshow(shown[k].numpy())
            verdict = "" if truth == seen else f", is a {classes[truth]}"
            axes.set_title(
                f"{classes[seen]} ({probabilities[k].item():.0%}){verdict}", color="green" if not verdict else "red"
            )
    figure.suptitle(f"{right} of {len(photos)} held-out photos are right")
    figure.savefig(path, dpi=110)
    return right


# ------------------------------------------------------------------------ the program


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="folder of the photos (default: $MINICNN_DATA, the cache)")
    parser.add_argument("--model", choices=ALEXNETS, default="alexnet", help="which AlexNet (default: %(default)s)")
    parser.add_argument("--no-augmentation", action="store_true", help="the same photos in every epoch")
    parser.add_argument("--dropout", type=float, default=0.5, help="share of features dropped (default: %(default)s)")
    parser.add_argument("--features", action="store_true", help="SqueezeNet's ImageNet features in place of AlexNet")
    parser.add_argument("--weights", type=Path, help="SqueezeNet 1.1's weights (default: looked for near the photos)")
    parser.add_argument("--epochs", type=int, help=f"(default: 10; features: {FEATURE_EPOCHS}; quick: 1)")
    parser.add_argument("--batch-size", type=int, default=32, help="photos per step (default: %(default)s)")
    parser.add_argument("--size", type=int, help="height and width of the photos (default: 227; quick: 96)")
    parser.add_argument("--lr", type=float, help="Adam's learning rate (default: 0.0001; features: 0.001)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order, augmentation (default: 0)")
    parser.add_argument("--workers", type=int, default=1, help="threads that read photos ahead (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of the kernels (default: one per core)")
    parser.add_argument("--device", default="cpu", help="where to compute: cpu, cuda (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("output/dogs_vs_cats"), help="(default: %(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on with the training in the output folder")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_IMAGES} photos of each set, small, one epoch")
    args = parser.parse_args(argv)
    args.size = args.size if args.size is not None else (96 if args.quick else 227)
    if args.epochs is None:
        args.epochs = 1 if args.quick else FEATURE_EPOCHS if args.features else 10
    args.lr = args.lr if args.lr is not None else (1e-3 if args.features else 1e-4)
    for name, least in (("epochs", 1), ("batch_size", 1), ("threads", 1), ("workers", 0), ("size", 67)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}; got {value}")
    if not args.lr > 0:
        parser.error(f"--lr must be above 0; got {args.lr}")
    if not 0 <= args.dropout < 1:
        parser.error(f"--dropout must be at least 0 and less than 1; got {args.dropout}")
    try:
        minicnn.zeros(1, device=args.device)  # says what is missing
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
    folder = find_folder(args.data_dir)
    weights = find_weights(args.weights, folder) if args.features else None
    training, validation, shown, classes = load_data(folder, args)
    minicnn.manual_seed(args.seed)
    print(
        f"{folder.name}: {len(training)} training and {len(validation)} validation photos at "
        f"{args.size} x {args.size}; backend {minicnn.active_backend()}, {minicnn.get_num_threads()} threads"
    )
    try:
        if args.features:
            model, history = from_features(training, validation, args, weights)
        else:
            model, history = from_scratch(training, validation, args)
    except train.ResumeError as error:
        sys.exit(f"--resume: {error}")
    if not history.rows:
        sys.exit(f"Stopped ({history.stopped}). No epoch was finished.")
    best = history.best("val_accuracy")
    right = draw_predictions(model, shown, classes, args.device, args.output / "predictions.png")
    history.plot().savefig(args.output / "curves.png", dpi=110)
    results = {
        "settings": {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()},
        "history": history.rows,
        "seconds": history.seconds,
        "best": best,
        "held out": {"right": right, "of": len(shown)},
    }
    (args.output / "results.json").write_text(json.dumps(results, indent=2))
    print(
        f"best validation accuracy {best['val_accuracy']:.1%}, after epoch {best['epoch']}; "
        f"{right} of {len(shown)} held-out photos are right\n"
        f"curves.png, predictions.png, history.csv, results.json: {args.output}"
    )
    return results


if __name__ == "__main__":
    main()
