"""What several parts of the laboratory need: paths, files, provenance, processes, seeds."""
