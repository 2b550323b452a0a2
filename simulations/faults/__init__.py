"""What goes wrong in a world: faults by name, each with its parameters, drawn for every seed or chosen one by one."""
