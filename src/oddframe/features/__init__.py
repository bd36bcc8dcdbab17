"""Frozen networks that turn snippets of video into vectors, and what they make of a folder of video on disk."""
