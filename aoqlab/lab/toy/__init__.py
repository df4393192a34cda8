"""The two toy problems of the paper."""
