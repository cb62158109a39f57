"""The migration as a whole: its state, the gates to the next one, and its end."""
