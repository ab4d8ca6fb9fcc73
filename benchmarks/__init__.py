"""Speed against PyTorch, in the same process, as ratios of medians: ``python -m benchmarks``."""
