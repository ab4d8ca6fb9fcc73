"""Datasets of image files, their splits, caches and batches."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("batch size 0", "DataLoader([1, 2], batch_size=0)", ValueError, ("batch_size", "0")),
    Mistake("shuffle and a sampler", "DataLoader([1, 2], shuffle=True, sampler=[0, 1])", ValueError, ("sampler", "shuffle")),
    Mistake("tensors of unequal length", "TensorDataset(torch.zeros(3), torch.zeros(4))", ValueError, ("3", "4")),
    Mistake("images of unequal size in a batch", "next(iter(DataLoader([torch.zeros(2), torch.zeros(3)], batch_size=2)))", ValueError,
            ("(2,)", "(3,)")),
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
]  # fmt: skip
