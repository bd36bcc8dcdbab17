"""Making scores visible: overlay videos, a self-contained HTML report, pictures."""
