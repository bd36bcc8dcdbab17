"""Tensor operations that belong to no single paper."""
