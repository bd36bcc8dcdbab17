"""From frames to scores, thresholds and events: stream, smooth, calibrate, events, and the score files between them."""
