"""Compiled CPU kernels and the code that builds them; optional, because each has an eager twin in Torch."""
