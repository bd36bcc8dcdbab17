"""What can be said of every built-in model without importing it: where it lives, whose it is, what it costs.

Figures of others are quoted with their origin and are not ours; ours are in `benchmarks/results`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["windows", "bags", "fitted"]
"""What a system learns from: windows of normal video by gradients (`Detector`), labelled bags of features by gradients
(`BagDetector`), or one pass over normal video (`FittedDetector`)."""


@dataclass(frozen=True)
class ReportedFigure:
    """A frame-level micro AUC that somebody else reports.

    Attributes:
        data: the test set.
        auc: in per cent.
        origin: who says so, and how sure it is: "paper", "paper, as quoted by others", "users", "recalled, unverified".
    """

    data: str
    auc: float
    origin: str


@dataclass(frozen=True)
class ModelEntry:
    """A model, as the catalogue shows it.

    Attributes:
        location: "module:class".
        kind: what it learns from, and thereby how it is fitted, evaluated and exported.
        presets: the readings of the method that it offers; the first is the default.
        gflop: 10^9 floating-point operations per scored frame of the first preset as published (two per multiply-add,
            convolutions and matrix products counted); a test holds it against a counter.
        figures: what others report.
    """

    location: str
    title: str
    paper: str
    licence: str
    citation: str = ""
    kind: Kind = "windows"
    presets: tuple[str, ...] = ("paper", "code")
    gflop: float = 0.0
    figures: tuple[ReportedFigure, ...] = ()


MODELS: dict[str, ModelEntry] = {
    "camera": ModelEntry(
        location="oddframe.models.camera:Camera",
        title="What is there, how it moves, and how the place usually looks; the default",
        paper="patches, monitors and scene together; see their entries",
        licence="Apache-2.0; the frozen network's weights: Apache-2.0",
        kind="fitted",
        presets=("paper",),
    ),
    "patches": ModelEntry(
        location="oddframe.models.patches:Patches",
        title="Nearest neighbour of frozen, whitened patch features",
        paper="Roth et al., PatchCore, CVPR 2022, arXiv:2106.08265; Defard et al., PaDiM, 2020, arXiv:2011.08785",
        licence="Apache-2.0; the frozen network's weights: Apache-2.0",
        kind="fitted",
        presets=("paper",),
    ),
    "monitors": ModelEntry(
        location="oddframe.models.monitors:Monitors",
        title="Densities of motion at every place: speed, velocity, objects, dwell",
        paper="Adam et al., PAMI 2008; Ramachandra and Jones, WACV 2020; Reiss and Hoshen, 2022",
        licence="Apache-2.0",
        kind="fitted",
        presets=("paper",),
    ),
    "scene": ModelEntry(
        location="oddframe.models.scene:Scene",
        title="How the place usually looks, in each light that the camera knows",
        paper="Torralba, Fergus, Freeman, Tiny images, PAMI 2008",
        licence="Apache-2.0",
        kind="fitted",
        presets=("paper",),
    ),
    "sdmae": ModelEntry(
        location="oddframe.models.sdmae:SDMAE",
        title="Self-distilled masked auto-encoder",
        paper="Ristea et al., CVPR 2024, arXiv:2306.12041",
        licence="authors' code: CC BY-NC-SA 4.0; this implementation is independent of it",
        citation=(
            "N.-C. Ristea, F.-A. Croitoru, R. T. Ionescu, M. Popescu, F. S. Khan, M. Shah. Self-Distilled Masked "
            "Auto-Encoders are Efficient Video Anomaly Detectors. CVPR 2024."
        ),
        gflop=4.86,
    ),
    "memae": ModelEntry(
        location="oddframe.models.memae:MemAE",
        title="Memory-augmented auto-encoder: clips of 16 frames, rebuilt from a memory of normal ones",
        paper="Gong et al., ICCV 2019, arXiv:1904.02639",
        licence="authors' code: MIT; this implementation is independent of it",
        citation=(
            "D. Gong, L. Liu, V. Le, B. Saha, M. R. Mansour, S. Venkatesh, A. van den Hengel. Memorizing Normality to "
            "Detect Anomaly: Memory-augmented Deep Autoencoder for Unsupervised Anomaly Detection. ICCV 2019."
        ),
        gflop=66.43,
        figures=(
            ReportedFigure("UCSD Ped2", 94.1, "paper, as quoted by others"),
            ReportedFigure("CUHK Avenue", 83.3, "paper, as quoted by others"),
            ReportedFigure("ShanghaiTech", 71.2, "paper, as quoted by others"),
            ReportedFigure("UCSD Ped2", 93.4, "users"),
            ReportedFigure("CUHK Avenue", 81.0, "users"),
        ),
    ),
    "mnad": ModelEntry(
        location="oddframe.models.mnad:MNAD",
        title="Memory-guided normality: prediction or reconstruction",
        paper="Park, Noh, Ham, CVPR 2020, arXiv:2003.13228",
        licence="authors' code: none stated; this implementation is independent of it",
        citation="H. Park, J. Noh, B. Ham. Learning Memory-guided Normality for Anomaly Detection. CVPR 2020.",
        gflop=92.97,
        figures=(
            ReportedFigure("UCSD Ped2", 97.0, "paper, as quoted by others"),
            ReportedFigure("CUHK Avenue", 88.5, "paper, as quoted by others"),
            ReportedFigure("ShanghaiTech", 70.5, "paper, as quoted by others"),
            ReportedFigure("UCSD Ped2", 95.1, "users"),
            ReportedFigure("CUHK Avenue", 86.6, "users"),
        ),
    ),
    "std": ModelEntry(
        location="oddframe.models.std:STD",
        title="Spatio-temporal dissociation with clustered codes",
        paper="Chang et al., Pattern Recognition 122, 2022, 108213",
        licence="authors' code: none stated; this implementation is independent of it",
        citation=(
            "Y. Chang, Z. Tu, W. Xie, B. Luo, S. Zhang, H. Sui, J. Yuan. Video anomaly detection with spatio-temporal "
            "dissociation. Pattern Recognition 122, 108213, 2022."
        ),
        presets=("paper", "code", "cdda"),
        gflop=60.25,
        figures=(
            ReportedFigure("UCSD Ped2", 96.7, "recalled, unverified"),
            ReportedFigure("CUHK Avenue", 87.1, "recalled, unverified"),
            ReportedFigure("ShanghaiTech", 73.7, "recalled, unverified"),
            ReportedFigure("UCSD Ped2", 94.4, "users"),
        ),
    ),
    "mpn": ModelEntry(
        location="oddframe.models.mpn:MPN",
        title="Meta prototype network: prediction from prototypes of the frame itself; adapts to a new camera",
        paper="Lv, Chen, Cui, Xu, Li, Yang, CVPR 2021, arXiv:2104.06689",
        licence="authors' code: none stated; this implementation is independent of it",
        citation=(
            "H. Lv, C. Chen, Z. Cui, C. Xu, Y. Li, J. Yang. Learning Normal Dynamics in Videos with Meta Prototype "
            "Network. CVPR 2021."
        ),
        gflop=88.78,
        figures=(
            ReportedFigure("UCSD Ped2", 96.9, "paper"),
            ReportedFigure("CUHK Avenue", 89.5, "paper"),
            ReportedFigure("ShanghaiTech", 73.8, "paper"),
            ReportedFigure("UCSD Ped2", 95.0, "users"),
            ReportedFigure("CUHK Avenue", 82.2, "users"),
            ReportedFigure("ShanghaiTech", 72.9, "users"),
        ),
    ),
    "dakd": ModelEntry(
        location="oddframe.models.dakd:DAKD",
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
    ),
    "mil": ModelEntry(
        location="oddframe.models.mil:MIL",
        kind="bags",
        title="Multiple-instance ranking: learns from one label per video (baseline)",
        paper="Sultani, Chen, Shah, CVPR 2018, arXiv:1801.04264",
        licence="authors' code: none stated; this implementation is independent of it",
        citation="W. Sultani, C. Chen, M. Shah. Real-World Anomaly Detection in Surveillance Videos. CVPR 2018.",
        gflop=0.000264,
        figures=(
            ReportedFigure("UCF-Crime", 75.41, "paper"),
            ReportedFigure("ShanghaiTech, weak split", 86.30, "paper, as quoted by others"),
        ),
    ),
    "frame_difference": ModelEntry(
        location="oddframe.models.frame_difference:FrameDifference",
        title="Mean absolute frame difference (baseline)",
        paper="none",
        licence="-",
        presets=("paper",),
    ),
    "optical_flow": ModelEntry(
        location="oddframe.models.optical_flow:OpticalFlow",
        title="Mean length of the optical flow (baseline)",
        paper="none (flow: Farnebäck, SCIA 2003)",
        licence="-",
        presets=("paper",),
    ),
}
