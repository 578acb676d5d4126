"""For instructors: the same check across a process boundary."""
