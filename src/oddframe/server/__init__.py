"""The review page: a small server that shows what was found, and takes down what people say of it."""
