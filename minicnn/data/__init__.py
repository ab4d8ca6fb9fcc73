"""Data: datasets, the order of their samples, batches, and workers that make them ahead."""

from . import datasets, transforms
from .caching import CachedDataset
from .collate import default_collate, default_convert
from .dataset import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset
from .download import DownloadError
from .loader import DataLoader
from .locations import DatasetNotFoundError, find_data
from .randomness import sample_rng
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .splitting import random_split, stratified_split
from .workers import get_worker_info

__all__ = [
    "BatchSampler",
    "CachedDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DatasetNotFoundError",
    "DownloadError",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "datasets",
    "default_collate",
    "default_convert",
    "find_data",
    "get_worker_info",
    "random_split",
    "sample_rng",
    "stratified_split",
    "transforms",
]
