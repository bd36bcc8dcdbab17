"""What a report of a bug needs to know: versions of oddframe, Python, the system and the libraries."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import oddframe

PACKAGES = {
    "numpy": "numpy", "scipy": "SciPy", "av": "PyAV", "opencv-python-headless": "OpenCV", "torch": "torch",
    "lightning-fabric": "Lightning Fabric", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "onnx": "ONNX",
    "safetensors": "safetensors", "pydantic": "pydantic", "typer": "typer", "sqlalchemy": "SQLAlchemy",
    "fastapi": "FastAPI", "uvicorn": "uvicorn",
}  # fmt: skip
"""Package -> what people call it, where that is another name."""


def versions() -> dict[str, Any]:
    """Versions of oddframe, Python, the system and each of `PACKAGES`, None where it is not installed.

    No library is imported.
    """
    return {
        "oddframe": oddframe.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {package: _installed(package) for package in PACKAGES},
    }


def version_lines() -> list[str]:
    """`versions` as lines."""
    found = versions()
    lines = [
        f"oddframe {found['oddframe']}",
        f"Python {found['python']} on {found['platform']}, {found['cores']} cores",
    ]
    for package, number in found["packages"].items():
        called = PACKAGES[package] if PACKAGES[package] == package else f"{package} ({PACKAGES[package]})"
        lines.append(f"{called} {number or 'is not installed'}")
    return lines


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
