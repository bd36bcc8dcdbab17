"""What every system shares, whatever it looks at: it learns in stages, and names what its scores are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from safetensors.torch import load_file, save
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from oddframe.errors import RecipeError
from oddframe.models.stage import Stage
from oddframe.models.states import check_finite
from oddframe.types import BagSignature, Combination, Signature

if TYPE_CHECKING:
    from oddframe.models.bag_detector import BagDetector
    from oddframe.models.detector import Detector


class Learner(nn.Module, ABC):
    """A system: a one-class `Detector` or a weakly supervised `BagDetector`.

    Attributes:
        components: names of the components of its scores, in order -> what each tells of a frame, in words that
            complete "unusual in ...".
        combination: what of them makes the score of a frame by default.
    """

    components: Mapping[str, str]
    combination: Combination

    @classmethod
    @abstractmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        """A new one as the paper ("paper") or the released code ("code") has it, with single options changed.

        Raises:
            RecipeError: unknown preset or option, or an impossible value.
        """

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The training phases in order; empty for a system that learns nothing."""

    @abstractmethod
    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state dict that uses the key names of the authors' released code.

        Raises:
            BundleError: keys are missing or shapes differ; the message names the first of them.
        """

    def parameter_count(self) -> int:
        """How many numbers it learns."""
        return sum(parameter.numel() for parameter in self.parameters())

    def save_weights(self, path: Path) -> None:
        """Write its state dict as a safetensors file."""
        path.write_bytes(save({name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}))

    def load_weights(self, path: Path) -> None:
        """Read what `save_weights` wrote, and go into eval mode.

        Raises:
            ValueError: a weight is NaN or infinite.
            RuntimeError: the weights are of another network.
        """
        state = load_file(path)
        check_finite(state)
        self.load_state_dict(state)
        self.eval()

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What it looks at, as plain values for JSON."""

    @property
    @abstractmethod
    def signature(self) -> Signature | BagSignature:
        """What scoring has to know of it."""

    own_runtime: ClassVar[Literal["torch"] | None] = "torch"  # what scores it where none is chosen

    def one_class(self, purpose: str) -> Detector:
        """This system, where it is a one-class detector.

        Args:
            purpose: what only such a detector can do, as the message begins.

        Raises:
            RecipeError: it is a weakly supervised one.
        """
        raise RecipeError(f"{purpose} is for one-class detectors; {type(self).__name__} learns from labelled videos")

    def weakly_supervised(self) -> BagDetector:
        """This system, where it is a weakly supervised detector.

        Raises:
            RecipeError: it is a one-class one.
        """
        raise RecipeError(f"this is for weakly supervised detectors; {type(self).__name__} learns from normal video")

    @property
    def portable(self) -> bool:
        """Whether another runtime may score windows in its place."""
        return False

    @abstractmethod
    def score_nothing(self) -> int:
        """Score tensors without content on the module's device, for counting operations.

        Returns:
            How many frames were scored.
        """

    def flops_per_frame(self) -> float:
        """Floating-point operations to score one frame: two per multiply-add of convolutions and matrix products.

        Of a weakly supervised system: its share of a video of one snippet per segment, without feature extraction.
        """
        # Tensors of shape alone do for counting; fused attention is counted when it is written out as matrix products.
        with torch.device("meta"), torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
            copy = deepcopy(self).to("meta").eval().requires_grad_(False)
            with FlopCounterMode(display=False) as counter:
                frames = copy.score_nothing()
        flops: int = counter.get_total_flops()
        return flops / frames

    @property
    @abstractmethod
    def sees(self) -> str:
        """What it looks at, for people."""

    @property
    @abstractmethod
    def latency(self) -> str:
        """What it must have seen before it can score a frame, for people."""

    @property
    def reported(self) -> Mapping[str, str]:
        """All components that a score file has of it, with their words."""
        return self.components
