"""Video in, video out: finding, decoding, caching and writing."""
