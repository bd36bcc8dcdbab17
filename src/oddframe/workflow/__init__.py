"""The jobs behind the command line and the Python interface alike: fit, adapt, score, evaluate, bench, demo."""

from oddframe.workflow.adapt import adapt
from oddframe.workflow.fit import fit, import_checkpoint
from oddframe.workflow.run import Run, load_run
from oddframe.workflow.scored import Scored

__all__ = ["Run", "Scored", "adapt", "fit", "import_checkpoint", "load_run"]
