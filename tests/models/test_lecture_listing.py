"""The best known listing about torchvision's models, fine-tuning, with only its import lines changed."""

from __future__ import annotations

from typing import Any

import pytest

import minicnn as torch
import minicnn.nn as nn
import minicnn.optim as optim
from minicnn import models


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
