"""Data sets, windows over decoded frames, the synthetic street and pseudo-anomalies."""
