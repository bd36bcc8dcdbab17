"""Precision under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def full_precision(device_type: str) -> AbstractContextManager[Any]:
    """Switch autocast off on a device, where it has it (the device "meta", which only counts, has not)."""
    available = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if available else nullcontext()
