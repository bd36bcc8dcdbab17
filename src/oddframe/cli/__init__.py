"""The command line of oddframe.

Each command is one small file, and the signature of its function is its interface. Heavy libraries are imported inside
the functions, so that `--help` answers at once.

Exit status: 0 for success, 2 for wrong input, 3 when the work is done but some videos were skipped, 1 for a fault of
oddframe itself.
"""

from __future__ import annotations

import sys

import typer

from oddframe.cli import (
    adapt,
    bench,
    benchmark,
    calibrate,
    data,
    demo,
    evaluate,
    export,
    features,
    fit,
    import_checkpoint,
    listing,
    score,
)  # fmt: skip
from oddframe.errors import OddframeError

EXTRA = {"torch": "torch", "lightning": "torch", "lightning_fabric": "torch"}  # library -> extra that installs it

app = typer.Typer(
    help="Video anomaly detection: learn what is normal from ordinary video, then find what is not, when and where.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(fit.fit)
app.command()(score.score)
app.command()(evaluate.evaluate)
app.command()(calibrate.calibrate)
app.command()(adapt.adapt)
app.command()(export.export)
app.command()(bench.bench)
app.command()(benchmark.benchmark)
app.command()(features.features)
app.add_typer(data.app, name="data")
app.command()(listing.models)
app.command()(listing.recipes)
app.command()(listing.protocols)
app.command("import-checkpoint")(import_checkpoint.import_checkpoint)


def main() -> None:
    """Run the command line. Wrong input gives one line on standard error and exit status 2."""
    try:
        app()
    except OddframeError as error:
        print(f"oddframe: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(f'oddframe: this needs {error.name}: pip install "oddframe[{EXTRA[error.name]}]"', file=sys.stderr)
        sys.exit(OddframeError.exit_status)
    except KeyboardInterrupt:
        print("oddframe: interrupted", file=sys.stderr)
        sys.exit(130)
