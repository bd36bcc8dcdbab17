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
    from oddframe.models.detector import Detector
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.server.starting import ReviewOptions, review
    from oddframe.settings import ThresholdOptions, TrainingOptions
    from oddframe.store.opening import open_store
    from oddframe.types import Event, FrameScores, Window
    from oddframe.video.sources import ArrayVideo
    from oddframe.workflow.adapt import adapt
    from oddframe.workflow.compare import compare
    from oddframe.workflow.evaluate import EvaluateOptions
    from oddframe.workflow.evaluate import evaluate_run as evaluate
    from oddframe.workflow.export import export
    from oddframe.workflow.fit import fit
    from oddframe.workflow.learn import LearnOptions, LearnResult, learn
    from oddframe.workflow.outputs import OutputOptions
    from oddframe.workflow.run import Run, load_run, score
    from oddframe.workflow.scores import Scores
    from oddframe.workflow.watch import WatchResult, watch
    from oddframe.workflow.watch_plan import WatchOptions

__version__ = "0.1.0"
_HOMES = {
    "ArrayVideo": "video.sources", "Detector": "models.detector", "EvaluateOptions": "workflow.evaluate",
    "Event": "types", "FrameScores": "types", "LearnOptions": "workflow.learn", "LearnResult": "workflow.learn",
    "OutputOptions": "workflow.outputs", "ReviewOptions": "server.starting", "Run": "workflow.run",
    "RuntimeOptions": "runtime.runtime", "Scores": "workflow.scores", "ThresholdOptions": "settings",
    "TrainingOptions": "settings", "Window": "types", "adapt": "workflow.adapt", "compare": "workflow.compare",
    "evaluate": "workflow.evaluate",
    "export": "workflow.export", "fit": "workflow.fit", "learn": "workflow.learn", "load_run": "workflow.run",
    "open_store": "store.opening", "review": "server.starting", "score": "workflow.run",
    "WatchOptions": "workflow.watch_plan", "WatchResult": "workflow.watch", "watch": "workflow.watch",
}  # fmt: skip
_NAMES = {"evaluate": "evaluate_run"}
__all__ = [
    "ArrayVideo", "Detector", "EvaluateOptions", "Event", "FrameScores", "LearnOptions", "LearnResult",
    "OutputOptions", "ReviewOptions", "Run", "RuntimeOptions", "Scores", "ThresholdOptions", "TrainingOptions",
    "WatchOptions", "WatchResult", "Window", "__version__", "adapt", "compare", "evaluate", "export", "fit", "learn",
    "load_run", "open_store", "review", "score", "watch",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'oddframe' has no attribute {name!r}")
    return getattr(import_module(f"oddframe.{_HOMES[name]}"), _NAMES.get(name, name))


def __dir__() -> list[str]:
    return __all__
