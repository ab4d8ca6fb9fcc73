"""Tests of tensors, autograd and printing."""
