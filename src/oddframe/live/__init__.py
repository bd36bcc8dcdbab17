"""Watching cameras: sources that come and go, scores and events while they happen, clips, sinks, metrics."""
