"""From the text of a statement to a shape without values, and to its tables, tests and joins."""
