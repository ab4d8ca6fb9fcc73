"""The best known listings about torchvision's models, fine-tuning and transfer learning: only import lines changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

import minicnn as torch
import minicnn as torchvision
import minicnn.backends.cudnn as cudnn
import minicnn.nn as nn
import minicnn.optim as optim
from minicnn import datasets, models, transforms
from minicnn.optim import lr_scheduler


def set_parameter_requires_grad(model: Any, feature_extracting: bool) -> None:
    if feature_extracting:
        for param in model.parameters():
            param.requires_grad = False


def initialize_model(model_name: str, num_classes: int, feature_extract: bool, use_pretrained: bool = False) -> Any:
    model_ft: Any = None
    input_size = 0
    if model_name == "resnet":
        model_ft = models.resnet18(pretrained=use_pretrained)
        set_parameter_requires_grad(model_ft, feature_extract)
        num_ftrs = model_ft.fc.in_features
        model_ft.fc = nn.Linear(num_ftrs, num_classes)
        input_size = 224
    elif model_name == "alexnet":
        model_ft = models.alexnet(pretrained=use_pretrained)
        set_parameter_requires_grad(model_ft, feature_extract)
        num_ftrs = model_ft.classifier[6].in_features
        model_ft.classifier[6] = nn.Linear(num_ftrs, num_classes)
        input_size = 224
    elif model_name == "vgg":
        model_ft = models.vgg11_bn(pretrained=use_pretrained)
        set_parameter_requires_grad(model_ft, feature_extract)
        num_ftrs = model_ft.classifier[6].in_features
        model_ft.classifier[6] = nn.Linear(num_ftrs, num_classes)
        input_size = 224
    elif model_name == "squeezenet":
        model_ft = models.squeezenet1_0(pretrained=use_pretrained)
        set_parameter_requires_grad(model_ft, feature_extract)
        model_ft.classifier[1] = nn.Conv2d(512, num_classes, kernel_size=(1, 1), stride=(1, 1))
        model_ft.num_classes = num_classes
        input_size = 224
    elif model_name == "densenet":
        model_ft = models.densenet121(pretrained=use_pretrained)
        set_parameter_requires_grad(model_ft, feature_extract)
        num_ftrs = model_ft.classifier.in_features
        model_ft.classifier = nn.Linear(num_ftrs, num_classes)
        input_size = 224
    elif model_name == "inception":
        model_ft = models.inception_v3(pretrained=use_pretrained)
        set_parameter_requires_grad(model_ft, feature_extract)
        num_ftrs = model_ft.AuxLogits.fc.in_features
        model_ft.AuxLogits.fc = nn.Linear(num_ftrs, num_classes)
        num_ftrs = model_ft.fc.in_features
        model_ft.fc = nn.Linear(num_ftrs, num_classes)
        input_size = 299
    return model_ft, input_size


@pytest.mark.parametrize(
    "name",
    [
        "resnet",
        "squeezenet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("alexnet", "vgg", "densenet", "inception")),
    ],
)
def test_the_fine_tuning_listing(name: str) -> None:
    model_ft, input_size = initialize_model(name, 2, feature_extract=True)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model_ft = model_ft.to(device)
    params_to_update = [param for param in model_ft.parameters() if param.requires_grad]
    optimizer_ft = optim.SGD(params_to_update, lr=0.001, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    inputs = torch.randn(2, 3, input_size, input_size)
    labels = torch.tensor([0, 1])
    optimizer_ft.zero_grad()
    before = {name: p.detach().clone() for name, p in model_ft.named_parameters()}
    if name == "inception":
        outputs, aux_outputs = model_ft(inputs)
        loss = criterion(outputs, labels) + 0.4 * criterion(aux_outputs, labels)
    else:
        outputs = model_ft(inputs)
        loss = criterion(outputs, labels)
    _, preds = torch.max(outputs, 1)
    loss.backward()
    optimizer_ft.step()
    assert preds.shape == labels.shape
    moved = {name for name, p in model_ft.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, p in model_ft.named_parameters() if p.requires_grad}
    assert len(moved) == (4 if name == "inception" else 2)


# ------------------------------------------------- the tutorial of transfer learning (ants and bees)


@pytest.fixture
def data_dir(tmp_path: Path) -> str:
    """Two classes of pictures in two folders: dark ants, bright bees."""
    rng = np.random.default_rng(0)
    for part, pictures in (("train", 8), ("val", 4)):
        for label, low in (("ants", 0), ("bees", 160)):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            for i in range(pictures):
                pixels = rng.integers(low, low + 96, (40, 48, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.jpg")
    return str(tmp_path)


@pytest.fixture
def plt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """matplotlib.pyplot without a window."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(cudnn, "benchmark", False)  # and as it was after the listing has switched it on
    was_on = plt.isinteractive()
    yield plt
    plt.close("all")
    (plt.ion if was_on else plt.ioff)()


@pytest.mark.slow
def test_the_transfer_learning_listing(data_dir: str, plt: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the sizes, the folder and the number of epochs are the test's; the pauses for the eye are left out."""
    torch.manual_seed(0)
    cudnn.benchmark = True
    plt.ion()

    data_transforms = {
        "train": transforms.Compose(
            [
                transforms.RandomResizedCrop(32),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        ),
        "val": transforms.Compose(
            [
                transforms.Resize(36),
                transforms.CenterCrop(32),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        ),
    }

    image_datasets = {x: datasets.ImageFolder(os.path.join(data_dir, x), data_transforms[x]) for x in ["train", "val"]}
    dataloaders = {
        x: torch.utils.data.DataLoader(image_datasets[x], batch_size=4, shuffle=True, num_workers=0)
        for x in ["train", "val"]
    }
    dataset_sizes = {x: len(image_datasets[x]) for x in ["train", "val"]}
    class_names = image_datasets["train"].classes

    device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"

    def imshow(inp: Any, title: Any = None) -> None:
        """Display image for Tensor."""
        inp = inp.numpy().transpose((1, 2, 0))
        mean = np.array([0.485, 0.456, 0.406])
        std = np.array([0.229, 0.224, 0.225])
        inp = std * inp + mean
        inp = np.clip(inp, 0, 1)
        plt.imshow(inp)
        if title is not None:
            plt.title(title)

    # Get a batch of training data
    inputs, classes = next(iter(dataloaders["train"]))
    # Make a grid from batch
    out = torchvision.utils.make_grid(inputs)
    imshow(out, title=[class_names[x] for x in classes])
    assert plt.gca().images[0].get_array().shape == (36, 4 * 34 + 2, 3)
    assert plt.gca().get_title() == str([class_names[x] for x in classes])

    def train_model(model: Any, criterion: Any, optimizer: Any, scheduler: Any, num_epochs: int = 25) -> Any:
        since = time.time()

        # Create a temporary directory to save training checkpoints
        with TemporaryDirectory() as tempdir:
            best_model_params_path = os.path.join(tempdir, "best_model_params.pt")

            torch.save(model.state_dict(), best_model_params_path)
            best_acc = 0.0

            for epoch in range(num_epochs):
                print(f"Epoch {epoch}/{num_epochs - 1}")
                print("-" * 10)

                # Each epoch has a training and validation phase
                for phase in ["train", "val"]:
                    if phase == "train":
                        model.train()  # Set model to training mode
                    else:
                        model.eval()  # Set model to evaluate mode

                    running_loss = 0.0
                    running_corrects = 0

                    # Iterate over data.
                    for inputs, labels in dataloaders[phase]:
                        inputs = inputs.to(device)
                        labels = labels.to(device)

                        # zero the parameter gradients
                        optimizer.zero_grad()

                        # forward
                        # track history if only in train
                        with torch.set_grad_enabled(phase == "train"):
                            outputs = model(inputs)
                            _, preds = torch.max(outputs, 1)
                            loss = criterion(outputs, labels)

                            # backward + optimize only if in training phase
                            if phase == "train":
                                loss.backward()
                                optimizer.step()

                        # statistics
                        running_loss += loss.item() * inputs.size(0)
                        running_corrects += torch.sum(preds == labels.data)
                    if phase == "train":
                        scheduler.step()

                    epoch_loss = running_loss / dataset_sizes[phase]
                    epoch_acc = running_corrects.double() / dataset_sizes[phase]

                    print(f"{phase} Loss: {epoch_loss:.4f} Acc: {epoch_acc:.4f}")

                    # deep copy the model
                    if phase == "val" and epoch_acc > best_acc:
                        best_acc = epoch_acc
                        torch.save(model.state_dict(), best_model_params_path)

                print()

            time_elapsed = time.time() - since
            print(f"Training complete in {time_elapsed // 60:.0f}m {time_elapsed % 60:.0f}s")
            print(f"Best val Acc: {best_acc:4f}")

            # load best model weights
            model.load_state_dict(torch.load(best_model_params_path, weights_only=True))
        return model

    def visualize_model(model: Any, num_images: int = 6) -> None:
        was_training = model.training
        model.eval()
        images_so_far = 0
        plt.figure()

        with torch.no_grad():
            for _i, (inputs, labels) in enumerate(dataloaders["val"]):
                inputs = inputs.to(device)
                labels = labels.to(device)

                outputs = model(inputs)
                _, preds = torch.max(outputs, 1)

                for j in range(inputs.size()[0]):
                    images_so_far += 1
                    ax = plt.subplot(num_images // 2, 2, images_so_far)
                    ax.axis("off")
                    ax.set_title(f"predicted: {class_names[preds[j]]}")
                    imshow(inputs.cpu().data[j])

                    if images_so_far == num_images:
                        model.train(mode=was_training)
                        return
            model.train(mode=was_training)

    def visualize_model_predictions(model: Any, img_path: str) -> None:
        was_training = model.training
        model.eval()

        img: Any = Image.open(img_path)
        img = data_transforms["val"](img)
        img = img.unsqueeze(0)
        img = img.to(device)

        with torch.no_grad():
            outputs = model(img)
            _, preds = torch.max(outputs, 1)

            ax = plt.subplot(2, 2, 1)
            ax.axis("off")
            ax.set_title(f"Predicted: {class_names[preds[0]]}")
            imshow(img.cpu().data[0])

            model.train(mode=was_training)

    # Finetuning the ConvNet
    model_ft: Any = models.resnet18(weights=None)
    num_ftrs = model_ft.fc.in_features
    # Here the size of each output sample is set to 2.
    # Alternatively, it can be generalized to ``nn.Linear(num_ftrs, len(class_names))``.
    model_ft.fc = nn.Linear(num_ftrs, 2)

    model_ft = model_ft.to(device)

    criterion = nn.CrossEntropyLoss()

    # Observe that all parameters are being optimized
    optimizer_ft = optim.SGD(model_ft.parameters(), lr=0.001, momentum=0.9)

    # Decay LR by a factor of 0.1 every 7 epochs
    exp_lr_scheduler = lr_scheduler.StepLR(optimizer_ft, step_size=7, gamma=0.1)

    model_ft = train_model(model_ft, criterion, optimizer_ft, exp_lr_scheduler, num_epochs=8)
    assert optimizer_ft.param_groups[0]["lr"] == pytest.approx(0.0001)
    visualize_model(model_ft)
    titles = [axes.get_title() for axes in plt.gcf().axes]
    assert len(titles) == 6
    assert set(titles) <= {"predicted: ants", "predicted: bees"}

    # ConvNet as fixed feature extractor
    model_conv: Any = torchvision.models.resnet18(weights=None)
    for param in model_conv.parameters():
        param.requires_grad = False

    # Parameters of newly constructed modules have requires_grad=True by default
    num_ftrs = model_conv.fc.in_features
    model_conv.fc = nn.Linear(num_ftrs, 2)

    model_conv = model_conv.to(device)
    before = {name: p.detach().clone() for name, p in model_conv.named_parameters()}

    criterion = nn.CrossEntropyLoss()

    # Observe that only parameters of final layer are being optimized as
    # opposed to before.
    optimizer_conv = optim.SGD(model_conv.fc.parameters(), lr=0.001, momentum=0.9)

    # Decay LR by a factor of 0.1 every 7 epochs
    exp_lr_scheduler = lr_scheduler.StepLR(optimizer_conv, step_size=7, gamma=0.1)
    model_conv = train_model(model_conv, criterion, optimizer_conv, exp_lr_scheduler, num_epochs=2)
    moved = {name for name, p in model_conv.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"fc.weight", "fc.bias"}

    visualize_model(model_conv)
    plt.figure()
    visualize_model_predictions(model_conv, img_path=os.path.join(data_dir, "val/bees/1.jpg"))
    assert plt.gca().get_title() in ("Predicted: ants", "Predicted: bees")

    plt.ioff()
    epochs = [line.split() for line in capsys.readouterr().out.splitlines() if " Loss: " in line]
    losses = [float(words[2]) for words in epochs if words[0] == "train"][:8]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    best = [max(float(words[4]) for words in part if words[0] == "val") for part in (epochs[:16], epochs[16:])]
    for model, accuracy in zip((model_ft, model_conv), best, strict=True):  # the best weights are back
        assert model.training is False
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in dataloaders["val"])
        assert right / dataset_sizes["val"] == accuracy
