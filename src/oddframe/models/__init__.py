"""One file per system, readable top to bottom beside its paper; `detector.py` is the contract they share."""
