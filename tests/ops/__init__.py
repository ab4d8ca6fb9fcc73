"""Tests of the operations on tensors, against PyTorch."""
