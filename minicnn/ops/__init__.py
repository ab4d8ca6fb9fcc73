"""Differentiable operations, one file per family: arrays forward, gradients backward, and the public functions."""
