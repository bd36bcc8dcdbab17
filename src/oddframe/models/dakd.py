"""DAKD: a teacher that aggregates several backbones, distilled into a student of one.

Dalvi, Dabouei, Dhanuka, Xu: "Distilling Aggregated Knowledge for Weakly-Supervised Video Anomaly Detection", WACV 2025,
arXiv:2406.02831v2. No code of the authors is public; equation numbers are the paper's.

A video is a bag of 32 segments, each with one vector per backbone, and one label tells whether anything in it is
abnormal. The teacher projects every backbone's segments, lets them attend to each other across time and backbones (TAM,
eq. 1, 4, 5), and scores each; ranking the best segments of anomalous and normal bags is all its training. Then its
scores of the training videos, smoothed and stretched from 0 to 1 in each (eq. 6), become labels of segments. The
student sees one backbone and learns these labels, and by contrast the teacher's features (eq. 7, 8).

Shape letters: N bags, S segments, D length of a backbone's vector, P of a projected one, d width after the temporal
module, M = N * S.

What the paper leaves open is an option of `DAKDConfig`, named with the reading that is the default. Where this file
departs from the paper:
- Labels and features of the teacher are made one bag at a time, when a bag is first seen, and kept: the same for every
  batch and after a resumption ("online" recomputes them).
- The moving average divides by the number of its segments, not by one less; stretching undoes the difference.
- The projection g (eq. 7) stays in the state dict, and so does the teacher: a bundle can score with either.
- A loss term that lacks the bags or segments it needs is 0.
- "layernorm", the setting of `preset="robust"`, is ours: the module as printed collapses to one score per video where
  feature vectors are short. A warning says when that has happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from warnings import warn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError
from oddframe.models.bag_detector import BagBatch, BagDetector
from oddframe.models.catalogue import ModelEntry, ReportedFigure
from oddframe.models.layers.mil_ranking import FeatureNorm, Head, HeadShape, Norm, Ranking, known, ranking_loss, spread
from oddframe.models.layers.pixels import full
from oddframe.models.layers.precision import full_precision
from oddframe.models.layers.temporal import (
    MTN,
    TAM,
    Convolution,
    Disentangled,
    Fused,
    Fusion,
    MultiHead,
    Nothing,
    Recurrent,
    Stream,
    TAMAttention,
)
from oddframe.models.options import configure
from oddframe.models.reference import load_exactly
from oddframe.models.stage import BatchSampling, Stage, Update
from oddframe.types import Combination

Temporal = Literal["tam", "disentangled", "mha", "mtn", "lstm", "gru", "rnn", "conv", "none"]

COLLAPSED = 0.01  # standard deviation of the scores within a video, mean over videos, below which that is so
PATIENCE, WATCHED = 150, 50  # steps in which scores may begin to differ, and steps that are averaged over
GROWING = 2.0  # times the average before: scores that come to differ late are given more time
FLAT = 1e-8  # a range of scores below this is none: stretched to [0, 1] it would be noise


@dataclass(frozen=True)
class DAKDConfig(TAMAttention, HeadShape, Ranking):
    """Every choice of the method; the defaults are `preset="paper"`. An (A..) is the entry in docs/explanation/dakd.md.

    The options of the attention are those of `TAMAttention`, of the classifier those of `HeadShape`, of the teacher's
    loss those of `Ranking` (A20).

    Attributes:
        backbones: name -> D of all that the teacher sees. None only in a recipe: `fit` fills in those it is given.
        student: the student's backbone, one of these; None trains the teacher alone.
        segments: S.
        feature_norm: of every input vector: as it is ("none", paper), length 1 ("l2"), length sqrt(D) ("layernorm"), or
            every number to mean 0 and deviation 1 over the training videos ("standard").
        difference: the absolute difference to the segment before stands beside every input vector.
        projection: widths (hidden, P) of the MLP in front of the temporal module.
        student_projection: the student has one too (A21).
        temporal: the temporal module; all but "tam" are the alternatives of table 1.
        fusion: how those see several backbones: side by side ("concat"), averaged ("mean"), or each by a module of its
            own whose outputs are averaged ("per_backbone"). None: "per_backbone" for "disentangled", else "concat".
        temporal_width, bidirectional, temporal_layers: of recurrent modules and convolutions.
        smooth: eps, segments to each side in the moving average; 0 for none (A11, table 4).
        smooth_passes, smooth_padding: how often, and what stands beyond the ends.
        min_max: stretch each video's labels from 0 to 1 (table 4).
        targets: the student learns labels as they are ("soft") or above `delta` or not ("hard") (A19).
        prediction: the student's first loss: cross-entropy with the labels ("bce"), or two readings of "w/o L_bce" of
            table 4: ranking instead ("mil"), none, with the teacher's head ("teacher_head").
        alpha: weight of L_nce, beside tau squared; 0 leaves it out.
        tau: temperature (A17).
        delta: a segment counts as anomalous above it,
        mask: in the refined labels ("refined") or in the teacher's scores ("raw") (A14).
        distilled: what is compared: the temporal module's output, or the head's first ("hidden") or second
            ("bottleneck") layer (A12).
        projector: of teacher and student, one g ("shared", where both are equally wide) or two (A13).
        projector_width: of g's output; its hidden layer is as wide as its input.
        negatives: others to tell a segment from: of the batch, or of a pair of an anomalous and a normal bag (A15).
        reduction: of the contrastive terms: mean of each class, added up, mean or sum of all (A16).
        teacher_answers: kept from the first time on, or computed for every batch (A22).
        learning_rate, temporal_learning_rate: Adagrad's, of the temporal module and of all else (A18).
        weight_decay: of both.
        teacher_epochs, student_epochs: an epoch goes through the larger class once.
    """

    backbones: dict[str, int] | None = field(default_factory=lambda: {"i3d": 1024, "s3d": 1024, "clip": 512})
    student: str | None = "clip"
    segments: int = 32
    feature_norm: Norm = "none"
    difference: bool = False
    projection: tuple[int, int] = (512, 512)
    student_projection: bool = True
    temporal: Temporal = "tam"
    fusion: Fusion | None = None
    temporal_width: int = 512
    bidirectional: bool = False
    temporal_layers: int = 1
    smooth: int = 2
    smooth_passes: int = 1
    smooth_padding: Literal["replicate", "zero"] = "replicate"
    min_max: bool = True
    targets: Literal["soft", "hard"] = "soft"
    prediction: Literal["bce", "mil", "teacher_head"] = "bce"
    alpha: float = 7.5
    tau: float = 10.0
    delta: float = 0.9
    mask: Literal["refined", "raw"] = "refined"
    distilled: Literal["temporal", "hidden", "bottleneck"] = "temporal"
    projector: Literal["shared", "separate"] = "shared"
    projector_width: int = 128
    negatives: Literal["batch", "pair"] = "batch"
    reduction: Literal["class_mean", "mean", "sum"] = "class_mean"
    teacher_answers: Literal["cached", "online"] = "cached"
    learning_rate: float = 1e-3
    temporal_learning_rate: float = 1e-4
    weight_decay: float = 1e-3
    teacher_epochs: int = 100
    student_epochs: int = 100

    def __post_init__(self) -> None:
        try:
            for part in (TAMAttention, HeadShape, Ranking):
                part.__post_init__(self)
        except RecipeError as error:
            raise RecipeError(f"DAKD: {error}") from None
        if self.backbones is not None:
            known("DAKD", self.backbones)
            if self.student is not None and self.student not in self.backbones:
                raise RecipeError(f"DAKD: student {self.student!r} is none of backbones: {', '.join(self.backbones)}")
            alone = len(self.backbones) == 1 or self.student is not None
            if self.temporal in ("tam", "disentangled") and self.terms == ("cross",) and alone:
                raise RecipeError(
                    "DAKD: terms [cross] leaves a network of one backbone without attention; add a term, or give two "
                    "backbones and set student to null"
                )
        widths = (*self.projection, self.temporal_width, self.projector_width)
        if min(self.segments, self.temporal_layers, *widths) < 1:
            raise RecipeError("DAKD: segments, temporal_layers and all widths must be at least 1")
        if self.smooth < 0 or self.smooth_passes < 1:
            raise RecipeError(f"DAKD: smooth {self.smooth} must be at least 0, smooth_passes {self.smooth_passes} 1")
        if self.alpha < 0 or not self.tau > 0 or not 0 <= self.delta < 1:
            raise RecipeError(
                f"DAKD: alpha {self.alpha:g} must be at least 0, tau {self.tau:g} above 0, delta {self.delta:g} from 0 "
                "to below 1"
            )
        if self.prediction == "teacher_head" and not self.alpha:
            raise RecipeError("DAKD: with prediction teacher_head and alpha 0 the student has nothing to learn from")


PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "robust": {"feature_norm": "layernorm"}}


def temporal_module(config: DAKDConfig, backbones: int, ins: int) -> TAM | Fused:
    """The temporal module that the configuration names, for segments of `backbones` backbones, each `ins` long.

    TAM looks at all backbones at once and knows no other fusion than its own.

    Raises:
        RecipeError: the widths do not go together.
    """
    c, kind = config, config.temporal
    if kind == "tam":
        return TAM(backbones, ins, c)
    fusion = c.fusion or ("per_backbone" if kind == "disentangled" else "concat")
    seen = ins * backbones if fusion == "concat" else ins

    def stream() -> Stream:
        if kind == "disentangled":
            return Disentangled(seen, c)
        if kind == "mha":
            return MultiHead(seen, c)
        if kind == "mtn":
            return MTN(seen)
        if kind == "conv":
            return Convolution(seen, c.temporal_width, c.temporal_layers)
        if kind == "none":
            return Nothing(seen)
        return Recurrent(kind, seen, c.temporal_width, c.bidirectional)

    return Fused([stream() for _ in range(backbones if fusion == "per_backbone" else 1)], fusion)


@dataclass(frozen=True)
class Answer:
    """What a network says of N bags: logits (N, S), and after the temporal module, in the head's first and in its
    second layer, features (N, S, ...)."""

    logit: Tensor
    temporal: Tensor
    hidden: Tensor
    bottleneck: Tensor

    @property
    def score(self) -> Tensor:
        """(N, S) in [0, 1]."""
        return full(self.logit).sigmoid()


class Branch(nn.Module):
    """Teacher or student: projections, temporal module, head."""

    def __init__(self, config: DAKDConfig, backbones: Mapping[str, int], project: bool = True) -> None:
        super().__init__()
        self.norm = FeatureNorm(config.feature_norm, backbones, config.difference)
        widths = self.norm.widths
        hidden, wide = config.projection

        def projection(ins: int) -> nn.Module:
            return (
                nn.Sequential(nn.Linear(ins, hidden), nn.ReLU(), nn.Linear(hidden, wide)) if project else nn.Identity()
            )

        self.projections = nn.ModuleDict({name: projection(dim) for name, dim in widths.items()})
        seen = wide if project else max(widths.values())
        self.temporal = temporal_module(config, len(backbones), seen)
        self.head = Head(self.temporal.width, config)

    def forward(self, features: Mapping[str, Tensor]) -> Answer:
        inputs = zip(self.norm.widths, self.norm(features), strict=True)
        z_NSP = [self.projections[name](x_NSD) for name, x_NSD in inputs]
        h_NSd = self.temporal(z_NSP)
        logit_NS, hidden, bottleneck = self.head(h_NSd)
        return Answer(logit_NS, h_NSd, hidden, bottleneck)

    @torch.no_grad()
    def spread(self, answer: Answer) -> Tensor:
        """Standard deviation of the scores within a bag, mean over bags, without the noise of the head's dropout."""
        training = self.head.training
        logit_NS = self.head.eval()(answer.temporal)[0]
        self.head.train(training)
        return spread(logit_NS.sigmoid())


class DAKD(BagDetector):
    """Teacher and student.

    Components, both in [0, 1]: "student"; "teacher" where the features of all backbones are given. With the option
    `student` None there is only "teacher".

    Attributes:
        projectors: g of teacher and student, or one for both; empty where nothing is compared.
    """

    def __init__(self, config: DAKDConfig) -> None:
        super().__init__()
        self.config = c = config
        self.backbones, self.segments = known("DAKD", c.backbones), c.segments
        self.components = {"teacher": "what its segments show to all backbones together"}
        self.combination, self.required = Combination({"teacher": 1.0}), tuple(self.backbones)
        self.teacher = Branch(c, self.backbones)
        self.student: Branch | None = None
        self.projectors = nn.ModuleDict()
        if c.student is not None:
            self.components = {"student": f"what its segments show to {c.student}", **self.components}
            self.combination, self.required = Combination({"student": 1.0}), (c.student,)
            self.student = Branch(c, {c.student: self.backbones[c.student]}, c.student_projection)
            if c.prediction == "teacher_head" and self.student.temporal.width != self.teacher.temporal.width:
                raise RecipeError(
                    "DAKD: the student cannot take the teacher's head: what it makes of features is narrower"
                )
            if c.alpha:
                self._add_projectors(self.teacher, self.student)

    def _add_projectors(self, teacher: Branch, student: Branch) -> None:
        places = {"hidden": self.config.head[0], "bottleneck": self.config.head[1]}
        widths = [places.get(self.config.distilled, scorer.temporal.width) for scorer in (teacher, student)]
        names = ["both"] if self.config.projector == "shared" and widths[0] == widths[1] else ["teacher", "student"]
        for name, width in zip(names, widths, strict=False):
            first, last = (nn.Linear(width, out, bias=False) for out in (width, self.config.projector_width))
            self.projectors[name] = nn.Sequential(first, nn.ReLU(), last)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        """A detector as the paper has it ("paper") or with normalised features ("robust"), single options changed.

        Raises:
            RecipeError: unknown preset or option, or an impossible value.
        """
        return cls(configure(DAKDConfig, PRESETS, preset, options))

    def stages(self) -> list[Stage]:
        teacher = DAKDTeacherStage(self)
        return [teacher] if self.student is None else [teacher, DAKDStudentStage(self, self.student)]

    def score(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {} if self.student is None else {"student": self.student(features).score}
        if self.student is None or self.backbones.keys() <= features.keys():
            found["teacher"] = self.teacher(features).score
        return found

    def refine(self, score_NS: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. (6): labels (N, S) in [0, 1] from the teacher's scores, and which bags (N,) had nothing to stretch.

        Normal bags are 0, and so are anomalous ones whose scores are all the same.
        """
        c = self.config
        label_NS = smoothed(score_NS, c.smooth, c.smooth_passes, c.smooth_padding)
        anomalous_N = label_N > 0.5
        flat_N = torch.zeros_like(anomalous_N)
        if c.min_max:
            label_NS, flat_N = stretched(label_NS)
        return label_NS * anomalous_N[:, None], flat_N & anomalous_N

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state dict with this network's own names: there is no released one.

        Raises:
            BundleError: keys are missing or shapes differ; the message names the first of them.
        """
        load_exactly(self, state, "DAKD checkpoint")


class CollapseWatch:
    """Says so, once, when the scores within a video still do not differ after `PATIENCE` steps, or no longer do.

    The first steps do not count: every network begins with scores near 0.5. It looks at the mean of the last `WATCHED`
    steps, every `WATCHED` steps, so that a GPU is seldom waited for, and is content while that mean is growing.

    Args:
        who: begins the message.
        advice: ends it.
    """

    def __init__(self, who: str, advice: str) -> None:
        self.who, self.advice, self.steps, self.warned = who, advice, 0, False
        self.recent: list[Tensor] = []

    def step(self, spread: Tensor) -> None:
        """Note the spread of a training step's scores."""
        self.steps += 1
        self.recent = [*self.recent[1 - 2 * WATCHED :], spread]
        if self.warned or self.steps < PATIENCE or self.steps % WATCHED:
            return
        before, mean = torch.stack(self.recent).unflatten(0, (2, WATCHED)).mean(1).tolist()
        if mean < COLLAPSED and mean <= GROWING * before:
            self.warned = True
            warn(
                f"{self.who}: after {self.steps} steps the scores within a video deviate by {mean:.1g}: they may tell "
                f"videos apart, but not moments; {self.advice}",
                RuntimeWarning,
                stacklevel=2,
            )


class Watched(Stage):
    """A stage with two learning rates that warns when its network has collapsed (see `CollapseWatch`)."""

    sampling = BatchSampling(kind="balanced")

    def __init__(self, model: DAKD, network: Branch) -> None:
        self.model, self.network = model, network
        advice = "where feature vectors are short, set feature_norm to layernorm (preset robust)"
        self.watch = CollapseWatch(f"DAKD {self.name}", advice)

    def prepare(self, batches: Iterator[BagBatch]) -> None:
        self.network.norm.learn(batches)

    def optimiser(self, *others: nn.Module) -> torch.optim.Optimizer:
        """Adagrad over the network, slower in its temporal module, and over `others`."""
        c = self.model.config
        slow = list(self.network.temporal.parameters())
        modules = (self.network.projections, self.network.head, *others)
        groups = [{"params": [p for module in modules for p in module.parameters()], "lr": c.learning_rate}]
        if slow:
            groups.append({"params": slow, "lr": c.temporal_learning_rate})
        return torch.optim.Adagrad(groups, weight_decay=c.weight_decay)

    def spread(self, answer: Answer) -> Tensor:
        """The scores' spread within bags, which is watched in training."""
        value = self.network.spread(answer)
        if torch.is_grad_enabled():
            self.watch.step(value)
        return value


class DAKDTeacherStage(Watched):
    """Ranking."""

    name = "teacher"

    def __init__(self, model: DAKD) -> None:
        super().__init__(model, model.teacher)
        self.length = model.config.teacher_epochs

    def updates(self) -> list[Update]:
        return [Update(self.optimiser(), self.loss)]

    def train_mode(self) -> None:
        self.model.eval()
        self.network.train()

    def loss(self, batch: BagBatch) -> dict[str, Tensor]:
        answer = self.network(batch.features)
        return {**ranking_loss(answer.score, batch.label, self.model.config), "spread": self.spread(answer)}


@dataclass(frozen=True)
class Lesson:
    """What the teacher says of N bags: scores and refined labels (N, S), features (N, S, d), what was flat (N,)."""

    score: Tensor
    label: Tensor
    feature: Tensor
    flat: Tensor


class DAKDStudentStage(Watched):
    """Distillation, from a teacher that learns no more."""

    name = "student"

    def __init__(self, model: DAKD, student: Branch) -> None:
        super().__init__(model, student)
        self.length = model.config.student_epochs
        self.kept: dict[int, Lesson] = {}
        self.warned_flat = False

    def updates(self) -> list[Update]:
        self.kept.clear()
        optimiser = self.optimiser(*self.model.projectors.values())
        if self.model.config.prediction == "teacher_head":
            frozen = {id(p) for p in self.network.head.parameters()}
            group = optimiser.param_groups[0]
            group["params"] = [p for p in group["params"] if id(p) not in frozen]
        return [Update(optimiser, self.loss)]

    def train_mode(self) -> None:
        self.model.train()
        self.model.teacher.eval()

    def prepare(self, batches: Iterator[BagBatch]) -> None:
        super().prepare(batches)
        if self.model.config.prediction == "teacher_head":
            self.network.head.load_state_dict(self.model.teacher.head.state_dict())

    @torch.no_grad()
    def ask(self, features: Mapping[str, Tensor], label_N: Tensor) -> Lesson:
        """The teacher's answer for bags that are computed together."""
        answer = self.model.teacher(features)
        label_NS, flat_N = self.model.refine(answer.score, label_N)
        if not self.warned_flat and bool(flat_N.any()):
            self.warned_flat = True
            warn(
                "DAKD student: the teacher gives all segments of an anomalous training video the same score; such "
                'videos are taught as normal (how many of a batch: "guarded" in the log)',
                RuntimeWarning,
                stacklevel=2,
            )
        return Lesson(answer.score, label_NS, getattr(answer, self.model.config.distilled), flat_N)

    def lesson(self, batch: BagBatch) -> Lesson:
        """The teacher's answer for a batch, kept by the number of each bag."""
        if self.model.config.teacher_answers == "online":
            return self.ask(batch.features, batch.label)
        found = []
        for n, index in enumerate(batch.index.tolist()):
            if index not in self.kept:
                one = {name: value[n : n + 1] for name, value in batch.features.items()}
                self.kept[index] = self.ask(one, batch.label[n : n + 1])
            found.append(self.kept[index])
        parts = ("score", "label", "feature", "flat")
        return Lesson(*(torch.cat([getattr(one, part) for one in found]) for part in parts))

    def loss(self, batch: BagBatch) -> dict[str, Tensor]:
        """`"loss"` and its terms, and of the teacher's labels: "anomalous", how many segments of the batch count as it,
        "above", their share in anomalous bags, and "guarded", how many bags had none to give."""
        c, lesson, answer = self.model.config, self.lesson(batch), self.network(batch.features)
        losses: dict[str, Tensor] = {}
        logit_NS = full(answer.logit)
        if c.prediction == "bce":
            target_NS = (lesson.label > c.delta).to(logit_NS) if c.targets == "hard" else lesson.label.to(logit_NS)
            losses["bce"] = F.binary_cross_entropy_with_logits(logit_NS, target_NS)
        elif c.prediction == "mil":
            losses["mil"] = ranking_loss(answer.score, batch.label, c)["loss"]
        marked_NS = (lesson.score if c.mask == "raw" else lesson.label) > c.delta
        if c.alpha:
            losses["nce"] = self.contrast(lesson.feature, getattr(answer, c.distilled), marked_NS, batch.label)
        terms = [c.alpha * c.tau**2 * loss if name == "nce" else loss for name, loss in losses.items()]
        bags = (batch.label > 0.5).sum().clamp(min=1)
        in_anomalous = marked_NS[batch.label > 0.5].sum()
        return {
            "loss": torch.stack(terms).sum(),
            **losses,
            "anomalous": marked_NS.sum().to(logit_NS),
            "above": in_anomalous.to(logit_NS) / (bags * marked_NS.shape[1]),
            "guarded": lesson.flat.sum().to(logit_NS),
            "spread": self.spread(answer),
        }

    def contrast(self, teacher_NSd: Tensor, student_NSd: Tensor, marked_NS: Tensor, label_N: Tensor) -> Tensor:
        """L_nce of a batch (eq. 7)."""
        c, projectors = self.model.config, self.model.projectors
        shared = "both" in projectors
        teacher = projectors["both" if shared else "teacher"](teacher_NSd)
        student = projectors["both" if shared else "student"](student_NSd)
        marked_M = marked_NS.flatten()
        group_M = None
        if c.negatives == "pair":
            group_M = pairs(label_N).repeat_interleave(marked_NS.shape[1])
        terms_M = contrast_terms(teacher.flatten(0, 1), student.flatten(0, 1), marked_M, c.tau, group_M)
        return contrast(terms_M, marked_M, c.reduction, group_M)


def smoothed(score_NS: Tensor, reach: int, passes: int, padding: Literal["replicate", "zero"]) -> Tensor:
    """Moving average over 2 * reach + 1 segments, `passes` times."""
    if not reach:
        return score_NS
    for _ in range(passes):
        mode = "replicate" if padding == "replicate" else "constant"
        padded_N1S = F.pad(score_NS[:, None], (reach, reach), mode=mode)
        score_NS = F.avg_pool1d(padded_N1S, 2 * reach + 1, 1)[:, 0]
    return score_NS


def stretched(score_NS: Tensor) -> tuple[Tensor, Tensor]:
    """Each bag's scores from its smallest (0) to its largest (1), and which bags (N,) are flat: those become 0."""
    low_N1, high_N1 = score_NS.amin(1, keepdim=True), score_NS.amax(1, keepdim=True)
    flat_N1 = high_N1 - low_N1 < FLAT
    label_NS = ((score_NS - low_N1) / (high_N1 - low_N1).where(~flat_N1, 1)).where(~flat_N1, 0)
    return label_NS, flat_N1[:, 0]


def contrast_terms(
    teacher_Mc: Tensor, student_Mc: Tensor, anomalous_M: Tensor, tau: float, group_M: Tensor | None = None
) -> Tensor:
    """l_i (M,): minus the log of how surely a teacher's vector finds the student's of the same segment among others.

    The others are the student's vectors of the other class; those of the same class play no part. Vectors are compared
    by their cosine over `tau`. Without others, l_i is 0 and so is its gradient.

    Args:
        anomalous_M: the teacher's class of each segment, for both networks.
        group_M: only segments of one group are compared; None compares the whole batch.
    """
    term_M = torch.zeros_like(anomalous_M, dtype=torch.promote_types(student_Mc.dtype, torch.float32))
    with full_precision(student_Mc.device.type):  # at tau 10 all that is said is in the third digit
        teacher_Mc, student_Mc = F.normalize(full(teacher_Mc), dim=1), F.normalize(full(student_Mc), dim=1)
        own_M = (teacher_Mc * student_Mc).sum(1)
        classes = anomalous_M.nonzero()[:, 0], (~anomalous_M).nonzero()[:, 0]
        for asked, others in (classes, classes[::-1]):
            away = (teacher_Mc[asked] @ student_Mc[others].T - own_M[asked, None]) / tau
            if group_M is not None:
                away = away.masked_fill(group_M[asked, None] != group_M[others], -torch.inf)
            # log(1 + sum exp(away)): the segment itself is the 1, which keeps those without others finite.
            term_M = term_M.index_put((asked,), F.pad(away, (0, 1)).logsumexp(1))
    return term_M


def contrast(
    term_M: Tensor, anomalous_M: Tensor, reduction: Literal["class_mean", "mean", "sum"], group_M: Tensor | None = None
) -> Tensor:
    """L_nce: the means over both classes added up, the mean over all, or the sum; with groups, its mean over them."""
    if group_M is None:
        group_M = torch.zeros_like(anomalous_M, dtype=torch.int64)
    groups = int(group_M.max()) + 1
    if reduction == "class_mean":
        kind_M = 2 * group_M + anomalous_M
    elif reduction == "mean":
        kind_M = group_M
    else:
        return term_M.sum() / groups
    total = term_M.new_zeros(2 * groups).index_add(0, kind_M, term_M)
    count = kind_M.bincount(minlength=2 * groups)
    return (total / count.clamp(min=1)).sum() / groups


def pairs(label_N: Tensor) -> Tensor:
    """(N,): the n-th anomalous bag and the n-th normal one share number n; those left over join from the first on."""
    anomalous_N = label_N > 0.5
    fewer = min(int(anomalous_N.sum()), int((~anomalous_N).sum()))
    rank_N = torch.where(anomalous_N, anomalous_N.cumsum(0), (~anomalous_N).cumsum(0)) - 1
    return rank_N % max(fewer, 1)


ENTRY = ModelEntry(
    name="dakd",
    detector=DAKD,
    kind="bags",
    title="Distilled aggregated knowledge: learns from one label per video, on features of several backbones",
    paper="Dalvi, Dabouei, Dhanuka, Xu, WACV 2025, arXiv:2406.02831",
    licence="authors' code: none public",
    citation=(
        "J. Dalvi, A. Dabouei, G. Dhanuka, M. Xu. Distilling Aggregated Knowledge for Weakly-Supervised Video "
        "Anomaly Detection. WACV 2025, pp. 5439-5448."
    ),
    presets=("paper", "robust"),
    gflop=0.000764,
    figures=(
        ReportedFigure("UCF-Crime", 88.34, "paper"),
        ReportedFigure("ShanghaiTech, weak split", 98.10, "paper"),
    ),
    tiny={
        "student": "seen", "projection": (8, 8), "attention_dim": 8, "heads": 2, "head": (8, 4), "projector_width": 4,
        "learning_rate": 0.02, "temporal_learning_rate": 0.02, "head_dropout": 0.0,
    },
    variants=(("robust", {"student": None}), ("robust", {"alpha": 0.0, "difference": True})),
)  # fmt: skip
