"""CIFAR-100."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray

from ..files import OfficialFile
from .cifar import CIFAR10


class CIFAR100(CIFAR10):
    """Small photographs: 50,000 training and 10,000 test images, 32 x 32 in colour, a hundred classes in twenty groups.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images"
    (2009). Reads the authors' binary files (``cifar-100-binary``) and their Python
    pickles (``cifar-100-python``). Parameters and errors as :class:`CIFAR10`.

    Attributes
    ----------
    data : numpy.ndarray (N, 32, 32, 3) of uint8
        The images.
    targets : list of int
        The class numbers.
    coarse_targets : list of int
        The numbers of the groups.
    classes, coarse_classes : list of str
        The names of the classes and of the groups.
    class_to_idx : dict
        From a class's name to its number.

    Examples
    --------
    >>> CIFAR100.classes[19], CIFAR100.coarse_classes[11]
    ('cattle', 'large_omnivores_and_herbivores')
    """

    layout = "cifar100"
    archive = OfficialFile("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", 168513733)
    unpacked = "cifar-100-binary"
    train_batches = ("train",)
    test_batches = ("test",)
    pickles = (OfficialFile("train", "16019d7e3df5f24257cddd939b257f8d", 155249918),)
    labels_of_record = ("coarse_labels", "fine_labels")
    classes: ClassVar[list[str]] = [
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
        "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
        "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
        "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
        "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
        "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
        "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
        "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel",
        "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
        "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    ]  # fmt: skip
    coarse_classes: ClassVar[list[str]] = [
        "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables",
        "household_electrical_devices", "household_furniture", "insects", "large_carnivores",
        "large_man-made_outdoor_things", "large_natural_outdoor_scenes", "large_omnivores_and_herbivores",
        "medium_mammals", "non-insect_invertebrates", "people", "reptiles", "small_mammals", "trees", "vehicles_1",
        "vehicles_2",
    ]  # fmt: skip

    def _size(self, name: str) -> int:
        return self.images_per_batch * (5 if name == "train" else 1)

    def _limits(self) -> tuple[int, ...]:
        return len(self.coarse_classes), len(self.classes)

    def _keep_labels(self, labels: NDArray[Any]) -> None:
        self.coarse_targets: list[int] = labels[:, 0].tolist()
