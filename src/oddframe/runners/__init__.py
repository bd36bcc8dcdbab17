"""Where the tasks of a command are done: processes of this machine, this machine's share of a list, a Ray cluster."""
