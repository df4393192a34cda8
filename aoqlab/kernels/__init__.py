"""Compiled CPU kernels and what builds them. Optional: everything has an eager twin in Torch."""
