"""How good scores are, and by which rules: frame-level metrics and the named protocols that every figure carries."""
