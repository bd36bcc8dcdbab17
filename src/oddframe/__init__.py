"""oddframe: learn what is normal from ordinary video, and say when, where and why something is not.

    import oddframe
    run = oddframe.fit("videos/normal", model="sdmae")
    scores = run.score("videos/new.mp4")

The names below are resolved on first use, so that importing the package costs nothing and does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.settings import ThresholdOptions, TrainingOptions
    from oddframe.workflow.adapt import adapt
    from oddframe.workflow.fit import fit
    from oddframe.workflow.run import Run, load_run

__version__ = "0.1.0"
__all__ = ["Run", "RuntimeOptions", "ThresholdOptions", "TrainingOptions", "__version__", "adapt", "fit", "load_run"]
_HOMES = {
    "RuntimeOptions": "runtime.runtime", "Run": "workflow.run", "ThresholdOptions": "settings",
    "TrainingOptions": "settings", "adapt": "workflow.adapt", "fit": "workflow.fit", "load_run": "workflow.run",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'oddframe' has no attribute {name!r}")
    return getattr(import_module(f"oddframe.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
