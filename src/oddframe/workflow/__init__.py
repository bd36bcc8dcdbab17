"""The jobs behind the command line and the Python interface alike: fit, adapt, score, evaluate, export, bench, demo."""
