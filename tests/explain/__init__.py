"""Tests of the teaching tools."""
