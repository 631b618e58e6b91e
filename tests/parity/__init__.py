"""rustnn held against PyTorch: one piece of code, run with both, compared in all that can be seen."""
