"""Systems x data sets x seeds x protocols: the plan of a benchmark, and the table that comes of it."""
