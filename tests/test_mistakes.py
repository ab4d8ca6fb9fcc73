"""Mistakes that users make: each raises early, and the message says what was wrong and what to do.

A row is a snippet, the error's class, and what its message must contain.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from minicnn_kernels.cuda import on_cpu
from PIL import Image

import minicnn
from minicnn import datasets, models, nn, optim, train
from minicnn import transforms as T
from minicnn.data import CachedDataset, DataLoader, TensorDataset, stratified_split
from minicnn.nn import functional as F


class Mistake(NamedTuple):
    name: str
    code: str
    error: type[Exception]
    says: tuple[str, ...]


SHAPES = [
    Mistake("wrong channels", "nn.Conv2d(3, 8, 3)(torch.zeros(1, 1, 28, 28))", ValueError,
            ("input has 1 channels", "expects 3 * 1 = 3", "in_channels=1")),
    Mistake("wrong channels deep in a model names the layer",
            "nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Conv2d(8, 8, 3))(torch.zeros(1, 1, 9, 9))",
            ValueError, ("'1'", "Conv2d(8, 8", "input has 4 channels")),
    Mistake("kernel larger than the input", "F.conv2d(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 7, 7))", ValueError,
            ("floor((5 + 0 - 1*(7 - 1) - 1) / 1) + 1 = -1", "padding=1", "kernel_size<=5")),
    Mistake("pooling away the last pixel", "nn.MaxPool2d(2)(torch.zeros(1, 8, 1, 1))", ValueError,
            ("max_pool2d", "output height", "= 0")),
    Mistake("stride 0", "F.conv2d(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 3, 3), stride=0)", ValueError,
            ("stride must be at least 1", "0")),
    Mistake("negative padding", "F.conv2d(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 3, 3), padding=-1)", ValueError,
            ("padding must be at least 0",)),
    Mistake("fractional stride", "nn.Conv2d(1, 1, 3, stride=1.5)(torch.zeros(1, 1, 5, 5))", TypeError, ("stride", "1.5")),
    Mistake("groups that do not divide", "nn.Conv2d(6, 8, 3, groups=4)", ValueError, ("6", "groups=4", "divisible")),
    Mistake("'same' padding with a stride", "nn.Conv2d(3, 3, 3, stride=2, padding='same')", ValueError, ("same", "stride")),
    Mistake("misspelt padding", "nn.Conv2d(3, 3, 3, padding='smae')", ValueError, ("same", "valid", "smae")),
    Mistake("padding larger than half the pooling window", "F.max_pool2d(torch.zeros(1, 1, 5, 5), 2, padding=2)", ValueError,
            ("padding", "half", "padding<=1")),
    Mistake("output_padding not below stride", "nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=2)(torch.zeros(1, 1, 3, 3))",
            ValueError, ("output_padding", "smaller than")),
    Mistake("flattened image given to a convolution", "nn.Conv2d(1, 8, 3)(torch.zeros(100, 784))", ValueError,
            ("(N, C, H, W)", "(100, 784)")),
    Mistake("unflattened features given to Linear", "nn.Linear(3136, 10)(torch.zeros(2, 64, 7, 7))", ValueError,
            ("3136", "(2, 64, 7, 7)", "flatten")),
    Mistake("Linear with the wrong number of features", "nn.Linear(100, 10)(torch.zeros(2, 64))", ValueError, ("100", "64")),
    Mistake("matmul of shapes that do not fit", "torch.zeros(2, 3) @ torch.zeros(4, 5)", ValueError, ("(2, 3)", "(4, 5)", "3", "4")),
    Mistake("shapes that do not broadcast", "torch.zeros(2, 3) + torch.zeros(2, 4)", ValueError, ("(2, 3)", "(2, 4)", "broadcast")),
    Mistake("reshape to another number of elements", "torch.zeros(2, 3).reshape(4, 2)", ValueError, ("6", "(4, 2)")),
    Mistake("view of a transposed tensor", "torch.zeros(2, 3).t().view(6)", ValueError, ("contiguous", "reshape")),
    Mistake("cat of unequal shapes", "torch.cat([torch.zeros(1, 2), torch.zeros(1, 3)])", ValueError, ("(1, 2)", "(1, 3)")),
    Mistake("dimension out of range", "torch.zeros(2, 3).sum(dim=2)", ValueError, ("[-2, 1]", "2")),
    Mistake("index out of range", "torch.zeros(3)[3]", IndexError, ("3",)),
    Mistake("batch norm of one value per channel", "nn.BatchNorm2d(4)(torch.zeros(1, 4, 1, 1))", ValueError,
            ("more than 1 value per channel", "(1, 4, 1, 1)")),
    Mistake("batch norm with other channels", "nn.BatchNorm2d(4)(torch.zeros(2, 8, 3, 3))", ValueError, ("4", "8")),
    Mistake("BatchNorm2d on features", "nn.BatchNorm2d(4)(torch.zeros(2, 4))", ValueError, ("4", "(2, 4)")),
    Mistake("more groups than GroupNorm can form", "nn.GroupNorm(3, 8)", ValueError, ("8", "3", "divisible")),
    Mistake("pixel_shuffle of too few channels", "F.pixel_shuffle(torch.zeros(1, 3, 2, 2), 2)", ValueError, ("3", "4")),
    Mistake("item() of many elements", "torch.zeros(2).item()", ValueError, ("one element", "2")),
    Mistake("truth of many elements", "bool(torch.zeros(2))", ValueError, ("any()", "all()")),
]  # fmt: skip

TYPES = [
    Mistake("bytes of an image given to a convolution", "nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 9, 9, dtype=torch.uint8))", TypeError,
            ("uint8", "float()")),
    Mistake("a NumPy array given to a layer", "nn.Conv2d(1, 1, 3)(np.zeros((1, 1, 9, 9), np.float32))", TypeError,
            ("Tensor", "from_numpy")),
    Mistake("float64 data, float32 model", "nn.Linear(3, 2)(torch.zeros(1, 3, dtype=torch.float64))", TypeError,
            ("float64", "float32")),
    Mistake("float labels", "F.cross_entropy(torch.zeros(2, 3), torch.zeros(2))", (TypeError, ValueError), ("int64", "float32")),
    Mistake("label out of range", "F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]))", ValueError, ("3", "0", "2")),
    Mistake("negative label", "F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, -1]))", ValueError, ("-1",)),
    Mistake("labels of another batch size", "F.cross_entropy(torch.zeros(4, 3), torch.tensor([0, 1]))", ValueError, ("4", "2")),
    Mistake("targets outside 0..1", "F.binary_cross_entropy(torch.tensor([2.0]), torch.tensor([1.0]))", ValueError, ("0", "1", "with_logits")),
    Mistake("gradient of integers", "torch.tensor([1, 2], requires_grad=True)", TypeError, ("float", "int64")),
    Mistake("text as a tensor", "torch.tensor(['a'])", TypeError, ("str",)),
    Mistake("ragged lists", "torch.tensor([[1, 2], [3]])", ValueError, ("2", "1")),
    Mistake("the outputs of a network with an auxiliary head given to a loss",
            "nn.CrossEntropyLoss()(models.InceptionOutputs(torch.zeros(2, 3), torch.zeros(2, 3)), torch.tensor([0, 1]))", TypeError,
            ("cross_entropy: input must be a Tensor; got InceptionOutputs, a tuple with the fields logits, aux_logits.",
             "Fix: outputs.logits;", "criterion(outputs.logits, y) + 0.3 * criterion(outputs.aux_logits, y)")),
    Mistake("the outputs of GoogLeNet given to a loss",
            "F.mse_loss(models.googlenet(num_classes=2, init_weights=False)(torch.zeros(2, 3, 32, 32)), torch.zeros(2, 2))", TypeError,
            ("got GoogLeNetOutputs, a tuple with the fields logits, aux_logits2, aux_logits1.",
             "criterion(outputs.logits, y) + 0.3 * criterion(outputs.aux_logits2, y) + 0.3 * criterion(outputs.aux_logits1, y)")),
    Mistake("a tuple given to a loss", "F.l1_loss((torch.zeros(2), None), torch.zeros(2))", TypeError,
            ("got a tuple of 2. Fix: outputs[0]",)),
    Mistake("a dict given to a loss", "F.nll_loss({'out': torch.zeros(2, 3), 'aux': torch.zeros(2, 3)}, torch.tensor([0, 1]))", TypeError,
            ("got dict, with the keys 'out', 'aux'. Fix: outputs['out'];", "0.3 * criterion(outputs['aux'], y)")),
    Mistake("maximum and place given to an operation", "F.relu(torch.zeros(2, 3).max(1))", TypeError,
            ("a tuple with the fields values, indices. Fix: outputs.values",)),
    Mistake("a whole batch given to a layer", """
        for batch in DataLoader(TensorDataset(torch.zeros(2, 3), torch.zeros(2)), batch_size=2):
            nn.Linear(3, 1)(batch)
        """, TypeError, ("got a list of 2", "images, labels = batch", "minicnn.stack(x)")),
    Mistake("numbers given to a layer", "F.relu([1.0, 2.0])", TypeError, ("got list. Fix: minicnn.tensor(data)",)),
    Mistake("norm of an unknown kind", "torch.zeros(2, 2).norm('nuc')", ValueError, ("'nuc'", "numpy.linalg.norm")),
    Mistake("pooling with the 0-norm", "nn.LPPool2d(0, 2)(torch.zeros(1, 1, 4, 4))", ValueError, ("norm_type", "0")),
    Mistake("mean of integers", "torch.tensor([1, 2]).mean()", TypeError, ("int64", "float")),
]  # fmt: skip

AUTOGRAD = [
    Mistake("backward of a vector", "torch.ones(3, requires_grad=True).exp().backward()", RuntimeError, ("scalar", "(3,)", "mean()")),
    Mistake("backward twice", "y = torch.ones(3, requires_grad=True).exp().sum(); y.backward(); y.backward()", RuntimeError,
            ("second time", "retain_graph=True")),
    Mistake("backward without a gradient", "torch.ones(3).sum().backward()", RuntimeError, ("does not require", "requires_grad=True")),
    Mistake("backward under no_grad", "with torch.no_grad(): y = torch.ones(1, requires_grad=True) * 2\ny.backward()", RuntimeError,
            ("no_grad",)),
    Mistake("change in place before backward", "w = torch.ones(3, requires_grad=True); h = w * 1; y = (h * h).sum(); h += 1; y.backward()",
            RuntimeError, ("in place", "version 1", "version 0")),
    Mistake("change of a leaf in place", "w = torch.ones(3, requires_grad=True); w += 1", RuntimeError, ("leaf", "no_grad")),
    Mistake("numpy() of a tensor with a gradient", "torch.ones(3, requires_grad=True).numpy()", RuntimeError, ("detach().numpy()",)),
    Mistake("writing into an expanded tensor", "x = torch.zeros(1).expand(3); x[0] = 1", (ValueError, RuntimeError), ("clone()",)),
    Mistake("gradient of another shape", "torch.ones(3, requires_grad=True).exp().backward(torch.ones(2))", ValueError, ("(3,)", "(2,)")),
]  # fmt: skip

MODULES = [
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
    Mistake("misspelt mode of stochastic depth", "nn.StochasticDepth(0.5, 'rows')", ValueError, ("'row'", "'batch'", "'rows'")),
    Mistake("a function in Sequential", "nn.Sequential(nn.Linear(1, 1), F.relu)", TypeError, ("Module", "ReLU")),
    Mistake("negative channels", "nn.Conv2d(-1, 3, 3)", ValueError, ("-1",)),
]  # fmt: skip

TRAINING = [
    Mistake("negative learning rate", "optim.SGD(nn.Linear(1, 1).parameters(), lr=-0.1)", ValueError, ("lr", "-0.1")),
    Mistake("no parameters", "optim.Adam([])", ValueError, ("empty",)),
    Mistake("one tensor instead of a list", "optim.SGD(torch.ones(1, requires_grad=True), lr=0.1)", TypeError, ("list", "parameters()")),
    Mistake("a model instead of its parameters", "optim.Adam(nn.Linear(1, 1))", TypeError, ("Linear", "model.parameters()")),
    Mistake("Nesterov without momentum", "optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, nesterov=True)", ValueError, ("momentum",)),
    Mistake("beta of 1", "optim.Adam(nn.Linear(1, 1).parameters(), betas=(0.9, 1.0))", ValueError, ("bet", "1.0")),
    Mistake("batch size 0", "DataLoader([1, 2], batch_size=0)", ValueError, ("batch_size", "0")),
    Mistake("shuffle and a sampler", "DataLoader([1, 2], shuffle=True, sampler=[0, 1])", ValueError, ("sampler", "shuffle")),
    Mistake("tensors of unequal length", "TensorDataset(torch.zeros(3), torch.zeros(4))", ValueError, ("3", "4")),
    Mistake("images of unequal size in a batch", "next(iter(DataLoader([torch.zeros(2), torch.zeros(3)], batch_size=2)))", ValueError,
            ("(2,)", "(3,)")),
    Mistake("deviation of 0", "T.Normalize((0.5,), (0.0,))(torch.zeros(1, 2, 2))", ValueError, ("std", "0")),
    Mistake("unknown backend", "torch.use_backend('fast')", ValueError, ("fast", "numba")),
    Mistake("no GPU here", "torch.zeros(2).to('cuda')", ValueError, ("cuda", "cpu")),
    Mistake("device that does not exist", "torch.device('gpu')", ValueError, ("gpu", "cuda")),
    Mistake("threads", "torch.set_num_threads(0)", ValueError, ("0",)),
]  # fmt: skip

FILES = [
    Mistake("file that is not there", "torch.load('nowhere.pth')", FileNotFoundError, ("nowhere.pth",)),
    Mistake("empty file", "Path('a.pth').write_bytes(b''); torch.load('a.pth')", ValueError, ("a.pth", "empty")),
    Mistake("web page saved as weights", "Path('a.pth').write_text('<!DOCTYPE html><html>'); torch.load('a.pth')", ValueError,
            ("a.pth", "HTML")),
    Mistake("truncated checkpoint", """
        torch.save({'w': torch.zeros(100)}, 'a.mcnn')
        Path('a.mcnn').write_bytes(Path('a.mcnn').read_bytes()[:300])
        torch.load('a.mcnn')
        """, ValueError, ("a.mcnn",)),
    Mistake("hostile pickle", """
        import os, pickle
        class Bomb:
            def __reduce__(self):
                return os.system, ('echo broken > broken.txt',)
        Path('a.pth').write_bytes(pickle.dumps(Bomb()))
        torch.load('a.pth')
        """, ValueError, ("system",)),
    Mistake("saving a whole module", "torch.save(nn.Linear(1, 1), 'a.pth')", TypeError, ("state_dict()",)),
]  # fmt: skip

TRANSFER = [
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
    Mistake("images without class folders", "Path('1.png').touch(); datasets.ImageFolder('.')", FileNotFoundError,
            ("no folders", "cat")),
    Mistake("a folder that is not there", "datasets.ImageFolder('train')", FileNotFoundError, ("train", "does not exist")),
    Mistake("a class without images", "Path('cat').mkdir(); datasets.ImageFolder('.')", FileNotFoundError, ("cat", ".jpg", "allow_empty")),
    Mistake("a web page saved as a picture", """
        Path('cat').mkdir(); Path('dog').mkdir()
        Path('dog/1.jpg').touch()
        Path('cat/1.jpg').write_text('<html>')
        datasets.ImageFolder('.')[0]
        """, RuntimeError, ("1.jpg", "image")),
    Mistake("numbers instead of brightness", """
        Path('cat').mkdir(); Path('dog').mkdir()
        for name in ('cat/1.tif', 'dog/1.tif'):
            Image.fromarray(np.zeros((2, 2), np.float32)).save(name)
        datasets.ImageFolder('.')[0]
        """, RuntimeError, ("1.tif", "32 bits", "loader")),
    Mistake("an image and a map of another size", """
        Path('val').mkdir(); Path('valannot').mkdir()
        Image.new('RGB', (4, 3)).save('val/1.png')
        Image.new('L', (3, 4)).save('valannot/1.png')
        datasets.CamVid('.', 'val')[0]
        """, RuntimeError, ("valannot/1.png", "4 x 3", "3 x 4", "belong together")),
    Mistake("transform and transforms", "datasets.CamVid('.', 'val', T.ToTensor(), transforms=print)", ValueError,
            ("transforms", "target_transform", "not both")),
    Mistake("a list of VOC that is not there", """
        Path('JPEGImages').mkdir(); Path('ImageSets/Main').mkdir(parents=True)
        Path('ImageSets/Main/trainval.txt').touch()
        datasets.VOCDetection('.', image_set='test')
        """, FileNotFoundError, ("test.txt", "trainval")),
    Mistake("a stratified split of a dataset without classes", "stratified_split([3, 4], [1, 1])", ValueError,
            ("targets", "[label for _, label in dataset]")),
    Mistake("augmentation inside of a cache", """
        CachedDataset(datasets.FakeData(3, (3, 8, 8), transform=T.RandomCrop(4)))[0]
        """, RuntimeError, ("draws random numbers", "transform=")),
    Mistake("a cache of one gigabyte, in words", "CachedDataset([1], max_bytes='1GB')", ValueError, ("'1GB'", "2**30")),
    Mistake("a class of transforms instead of one", "T.Compose([T.ToTensor, T.Normalize((0.5,), (0.5,))])", TypeError,
            ("transform 0", "ToTensor(...)")),
    Mistake("an angle the wrong way round", "T.RandomRotation((10, -10))", ValueError, ("smallest, largest", "10")),
    Mistake("Keras's shift as a number", "T.RandomAffine(0, translate=0.2)", TypeError, ("translate", "two parts", "0.2")),
    Mistake("an even window", "T.GaussianBlur(4)", ValueError, ("odd", "4")),
    Mistake("a factor below 0", "T.ColorJitter(brightness=-0.1)", ValueError, ("brightness", "-0.1")),
    Mistake("mixing without the number of classes", "T.MixUp()(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))", ValueError,
            ("MixUp(num_classes=10)",)),
    Mistake("mixing one image", "T.CutMix(num_classes=2)(torch.zeros(3, 4, 4), torch.tensor([0]))", ValueError,
            ("(N, C, H, W)", "(3, 4, 4)")),
    Mistake("a preset of an unknown network", "T.presets.for_model('efficientnet_b0')", ValueError, ("'efficientnet_b0'", "imagenet_eval")),
    Mistake("posterising behind ToTensor", "T.RandomPosterize(2, p=1.0)(torch.zeros(3, 4, 4))", TypeError,
            ("uint8", "float32", "before ToTensor()")),
    Mistake("interpolation by name", "T.Resize(8, 'bicubic')", TypeError, ("InterpolationMode.BICUBIC", "'bicubic'")),
    Mistake("a crop larger than the image", "T.RandomCrop(8)(torch.zeros(3, 4, 4))", ValueError, ("8 x 8", "4 x 4", "pad_if_needed")),
    Mistake("a probability in percent", "T.RandomHorizontalFlip(50)", ValueError, ("50", "0 to 1")),
    Mistake("an unknown padding mode", "T.Pad(1, padding_mode='mirror')", ValueError, ("'mirror'", "'reflect'")),
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

FIT = "x = torch.randn(8, 4); y = torch.arange(8) % 3; net = nn.Linear(4, 3); o = optim.SGD(net.parameters(), lr=0.1)\n"

FITTING = [
    Mistake("a dataset instead of batches", FIT + "train.fit(net, TensorDataset(x, y), optimizer=o, epochs=1)", TypeError,
            ("TensorDataset", "DataLoader(dataset, batch_size=32)")),
    Mistake("tensors instead of batches", FIT + "train.fit(net, x, optimizer=o, epochs=1)", TypeError,
            ("DataLoader(TensorDataset(inputs, targets)",)),
    Mistake("an iterator, which ends", FIT + "train.fit(net, iter([(x, y)]), optimizer=o, epochs=2)", TypeError, ("empty after one pass",)),
    Mistake("batches without targets", FIT + "train.fit(net, [x], optimizer=o, epochs=1)", TypeError, ("pair (inputs, targets)", "Tensor")),
    Mistake("no batch at all", FIT + "train.fit(net, [], optimizer=o, epochs=1)", ValueError, ("no batch", "dataset empty")),
    Mistake("the class of an optimiser", FIT + "train.fit(net, [(x, y)], optimizer=optim.Adam, epochs=1)", TypeError,
            ("Adam(model.parameters(), ...)",)),
    Mistake("the optimiser of another model", FIT + "train.fit(nn.Linear(4, 3), [(x, y)], optimizer=o, epochs=1)", ValueError,
            ("none of the parameters of this Linear", "after its last layer")),
    Mistake("no epochs", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=0)", ValueError, ("epochs", "0")),
    Mistake("a loss that is not reduced", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, loss=nn.CrossEntropyLoss(reduction='none'))",
            ValueError, ("one number", "(8,)", "reduction='mean'")),
    Mistake("the class of a loss", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, loss=nn.CrossEntropyLoss)", TypeError,
            ("nn.CrossEntropyLoss()",)),
    Mistake("labels that are no classes", FIT + "train.fit(net, [(x, y + 1)], optimizer=o, epochs=1)", ValueError, ("label 3", "0 to 2")),
    Mistake("an unknown metric", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, metrics=['acuracy'])", ValueError,
            ("'acuracy'", "'accuracy'")),
    Mistake("an unknown callback", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=['early_stoping'])", ValueError,
            ("'early_stoping'", "'early_stopping'")),
    Mistake("a metric twice", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, metrics=['f1', 'f1'])", ValueError,
            ("two metrics are called 'f1'",)),
    Mistake("a number that is not there to be watched",
            FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=[train.EarlyStopping('val_loss')])", ValueError,
            ("'val_loss'", "no validation data")),
    Mistake("resuming without checkpoints", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, resume=True)", ValueError,
            ("ModelCheckpoint",)),
    Mistake("replacing the checkpoint of another training",
            FIT + "for _ in '12': train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=[train.ModelCheckpoint('a')])",
            FileExistsError, ("resume=True", "overwrite=True")),
    Mistake("resuming with another network", FIT + """
train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=[train.ModelCheckpoint('a')])
net = nn.Linear(4, 5)
train.fit(net, [(x, y)], optimizer=optim.SGD(net.parameters(), lr=0.1), epochs=2, resume='a')
""", ValueError, ("another network", "weight is (3, 4) in the checkpoint, (5, 4) in the model")),
    Mistake("weights that are no checkpoint of a training", FIT + """
torch.save(net.state_dict(), 'a.mcnn')
train.fit(net, [(x, y)], optimizer=o, epochs=1, resume='a.mcnn')
""", ValueError, ("a.mcnn", "load_state_dict")),
    Mistake("evaluating nothing", FIT + "train.evaluate(net, [])", ValueError, ("no batch",)),
    Mistake("predicting without a model", "train.predict('net', torch.zeros(1))", TypeError, ("nn.Module", "str")),
]  # fmt: skip

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

IN_A_NETWORK = [  # with the layer, the sizes up to there, and the number to write
    Mistake("a convolution after one with other channels",
            "nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Conv2d(8, 8, 3))(torch.zeros(1, 1, 9, 9))", ValueError,
            ("in layer '1': Conv2d", "input           (1, 1, 9, 9)", "0 (Sequential)  (1, 4, 7, 7)", "1 (Conv2d)      got (1, 4, 7, 7)")),
    Mistake("the number of features after flatten", NET + "Net(1024)(torch.zeros(2, 3, 28, 28))", ValueError,
            ("in_features = 784, Linear(784, 10)", "in layer 'fc'", "input                  (2, 3, 28, 28)",
             "features (Sequential)  (2, 8, 14, 14)", "fc (Linear)            got (2, 784), flattened: 16*7*7 = 784")),
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

EXERCISES = [
    Mistake("a misspelt exercise", "torch.exercise('conv2d.grad_wieght')", ValueError, ("Did you mean 'conv2d.grad_weight'?",)),
    Mistake("an answer with other parameters", """
        @torch.exercise('im2col')
        def im2col(x):
            return x
        """, TypeError, ("the function takes (x); expected (x, window) -> columns",)),
    Mistake("no cases", "torch.exercise('relu.grad')(lambda grad_y, y: grad_y).check(0)", ValueError, ("at least 1; got 0",)),
    Mistake("no steps", "torch.exercise('relu.grad')(lambda grad_y, y: grad_y).train_mnist(steps=0)", ValueError, ("steps", "0 and 16")),
    Mistake("an autopsy in float32", "torch.explain.gradient_autopsy(F.relu, torch.ones(2, requires_grad=True))", TypeError,
            ("float32", "x.double()")),
    Mistake("an autopsy of nothing", "torch.explain.gradient_autopsy(F.relu, torch.ones(2, dtype=torch.float64))", ValueError,
            ("requires_grad=True",)),
    Mistake("an autopsy beside another function", """
        torch.explain.gradient_autopsy(F.relu, torch.ones(2, dtype=torch.float64, requires_grad=True), like=F.silu)
        """, ValueError, ("must compute the same", "at index (0,): 1 and 0.731059")),
]  # fmt: skip

CUDA_X = "np.zeros((1, 2, 3, 3), np.float32)"
CUDA_WINDOW = "stride_h=1, stride_w=1, pad_h=0, pad_w=0, dilation_h=1, dilation_w=1"
KERNELS = [
    Mistake("a CUDA kernel misspelt", "on_cpu.run('im2cols')", ValueError, ("'im2cols'", "did you mean 'im2col'")),
    Mistake("float64 for a CUDA kernel", f"""
        on_cpu.run('im2col', np.zeros((1, 2, 3, 3)), np.zeros((1, 2, 2, 2, 2, 2), np.float32), {CUDA_WINDOW})
        """, TypeError, ("im2col: x (const float*)", "float32; got float64", "astype")),
    Mistake("a transposed array for a CUDA kernel", f"""
        on_cpu.run('im2col', {CUDA_X}.swapaxes(1, 2), np.zeros((1, 2, 2, 2, 2, 2), np.float32), {CUDA_WINDOW})
        """, ValueError, ("C-contiguous", "strides", "ascontiguousarray")),
    Mistake("columns of another image", f"""
        on_cpu.run('im2col', {CUDA_X}, np.zeros((1, 3, 2, 2, 2, 2), np.float32), {CUDA_WINDOW})
        """, ValueError, ("columns", "(1, 2, 2, 2, 2, 2)", "c=2", "(1, 3, 2, 2, 2, 2)")),
    Mistake("a CUDA kernel without its scalars", f"on_cpu.run('im2col', {CUDA_X}, np.zeros((1, 2, 2, 2, 2, 2), np.float32))",
            TypeError, ("stride_h, stride_w", "must be given")),
    Mistake("in place where the kernel forbids it", f"""
        x = {CUDA_X}
        on_cpu.run('channels.sum', x.reshape(1, 2, 9), x.reshape(-1)[:2])
        """, ValueError, ("x and sums are the same memory", "__restrict__")),
]  # fmt: skip

MISTAKES = [
    *SHAPES,
    *IN_A_NETWORK,
    *TYPES,
    *AUTOGRAD,
    *MODULES,
    *TRAINING,
    *FILES,
    *TRANSFER,
    *FITTING,
    *KERNELS,
    *EXERCISES,
]

LOOKING = [  # minicnn.explain: pictures, flow, the architecture
    Mistake("a layer that is not there", "ex.grad_cam(CNN, torch.rand(1, 8, 8), layer='2.weight')", ValueError,
            ("grad_cam: '2.weight' is no layer of Sequential. Did you mean", "'2'")),
    Mistake("a layer of another model", "ex.feature_maps(CNN, torch.rand(1, 8, 8), nn.ReLU())", ValueError,
            ("feature_maps: this ReLU is no layer of Sequential",)),
    Mistake("a layer without maps", "ex.grad_cam(CNN, torch.rand(1, 8, 8), layer='4')", ValueError,
            ("'4' gives (1, 3)", "Fix: layer='1'")),
    Mistake("a class that is not there", "ex.saliency(CNN, torch.rand(1, 8, 8), target=3)", ValueError,
            ("there is no class 3: the model has 3, 0 to 2",)),
    Mistake("more classes than images", "ex.saliency(CNN, torch.rand(1, 8, 8), target=[0, 1])", ValueError,
            ("one for each of the 1 images",)),
    Mistake("bytes to explain", "ex.saliency(CNN, torch.zeros(1, 8, 8, dtype=torch.uint8))", TypeError, ("Fix: x.float() / 255",)),
    Mistake("a PIL image to explain", "ex.occlusion(CNN, object())", TypeError, ("Fix: transforms.ToTensor()(image)",)),
    Mistake("the class of a model", "ex.filters(nn.ReLU)", TypeError, ("got the class ReLU. Fix: ReLU(), with brackets",)),
    Mistake("scores that are maps", "ex.saliency(CNN[0], torch.rand(1, 8, 8))", ValueError,
            ("expected a classifier, which gives scores (N, classes); this model gives (1, 2, 6, 6)",)),
    Mistake("guided backpropagation without ReLUs", "ex.guided_backprop(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.rand(1, 2, 2))",
            ValueError, ("no ReLU runs in Sequential", "Fix: explain.saliency(model, x)")),
    Mistake("filters of a layer that has none", "ex.filters(CNN, '1')", ValueError, ("'1', a ReLU, has none",)),
    Mistake("a patch larger than the image", "ex.occlusion(CNN, torch.rand(1, 8, 8), size=9)", ValueError,
            ("from 1 to 8 (the image has 8 x 8 pixels)",)),
    Mistake("a channel that is not there", "ex.most_activating(CNN, torch.rand(2, 1, 8, 8), '0', 2)", ValueError,
            ("'0' has 2 channels, 0 to 1; got 2",)),
    Mistake("a channel to project back that is not there", "ex.deconvnet(CNN, torch.rand(1, 8, 8), '0', 5)", ValueError,
            ("'0' has 2 channels, 0 to 1; got channel=5",)),
    Mistake("a confusion matrix without labels", "ex.confusion_matrix(CNN, torch.rand(2, 1, 8, 8))", ValueError,
            ("the data has no labels. Fix: pairs (image, label)",)),
    Mistake("images that are no tensors", "ex.misclassified(CNN, [(np.zeros((8, 8)), 1)])", ValueError,
            ("got ndarray. Fix: transform=transforms.ToTensor()",)),
    Mistake("more labels than names", "ex.ConfusionMatrix.of([0, 2], [0, 1], ['cat', 'dog'])", ValueError, ("classes are 0 to 1, but 2 occurs",)),
    Mistake("gradient flow without a loss", "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8))", ValueError,
            ("a batch without labels has no loss. Fix: gradient_flow(model, (inputs, labels))",)),
    Mistake("gradient flow of many numbers", "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8), lambda y: y)", ValueError,
            ("the loss must be one number that depends on the model; got a tensor (2, 3)",)),
    Mistake("two kinds of step", "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8), lambda y: y.sum(), lr=1, optimizer=optim.SGD(CNN.parameters(), 1))",
            ValueError, ("give an optimizer or lr",)),
    Mistake("statistics of no batch", "ex.activation_stats(CNN, (1, 8, 8))", TypeError, ("expected a batch of inputs as a tensor; got tuple",)),
    Mistake("a drawing at depth -1", "ex.graph(CNN, (1, 8, 8), depth=-1)", ValueError, ("graph: depth must be at least 0",)),
    Mistake("a page about a batch", "ex.page(CNN, torch.rand(2, 1, 8, 8))", ValueError, ("expected one image; got a batch of 2. Fix: page(model, x[0])",)),
    Mistake("names for other classes", "ex.page(CNN, torch.rand(1, 8, 8), classes=['cat'])", ValueError,
            ("the model has 3 classes, but 1 names were given",)),
]  # fmt: skip
MISTAKES += [
    row._replace(
        code="import minicnn.explain as ex\nCNN = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), "
        f"nn.Linear(18, 3))\n{row.code}"
    )
    for row in LOOKING
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_the_message_teaches(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {
        "torch": minicnn, "nn": nn, "F": F, "optim": optim, "T": T, "np": np, "Path": Path,
        "DataLoader": DataLoader, "TensorDataset": TensorDataset, "models": models, "datasets": datasets,
        "CachedDataset": CachedDataset, "stratified_split": stratified_split, "Image": Image, "train": train, "on_cpu": on_cpu,
    }  # fmt: skip
    with pytest.raises(mistake.error) as caught:
        exec(textwrap.dedent(mistake.code), scope)
    message = str(caught.value)
    for fragment in mistake.says:
        assert re.search(re.escape(fragment), message), f"{fragment!r} is not in: {message}"
    assert not (tmp_path / "broken.txt").exists()


def test_there_are_enough() -> None:
    assert len(MISTAKES) >= 60
