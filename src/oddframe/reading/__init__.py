"""Reading of files that others wrote: texts and tables, arrays, and the guard that turns any failure into one line."""
