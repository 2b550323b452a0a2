"""The planted bugs, by what they are about. Each is a slip that somebody could make in one minute."""
