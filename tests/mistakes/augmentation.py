"""Transforms of images."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("deviation of 0", "T.Normalize((0.5,), (0.0,))(torch.zeros(1, 2, 2))", ValueError, ("std", "0")),
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
]  # fmt: skip
