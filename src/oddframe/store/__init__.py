"""The event store: what was found, what people said of it, in a database."""
