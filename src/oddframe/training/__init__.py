"""Training: the loop (fit), what the plan says and how far along it is (stages), what a run leaves on its way."""
