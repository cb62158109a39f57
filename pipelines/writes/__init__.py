"""Which store takes the writes of a group of item types, and the switch from one to the other."""
