"""Video input and output: finding, decoding, caching and writing video."""
