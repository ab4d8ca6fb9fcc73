"""Tests of the benchmarks: that both sides compute the same, and that the figures are worked out right."""
