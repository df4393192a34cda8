"""The study behind ``bash run.sh``: both toy problems and the digits network, findings with intervals, figures."""


def main() -> None:
    """Both toy problems at reduced size and the digits network; about a minute on two cores."""
    # Said before the imports below, which take longer than everything else until the first progress bar.
    print("aoqlab: both toy problems (reduced size) and a network with 2-bit weights on handwritten digits", flush=True)
    from .run import main as run

    run()


def toy(full: bool = False) -> None:
    """Both toy problems; ``full`` at the paper's size (10,000 weights), about ten minutes on two cores."""
    size = "the paper's size" if full else "reduced size"
    print(f"aoqlab: both toy problems, regression at {size}", flush=True)
    from .run import toy as run

    run(full)


def digits() -> None:
    """Train the network that the notebooks look at, and write ``data/digits_cnn.safetensors``."""
    from .network import write_weights

    write_weights()
