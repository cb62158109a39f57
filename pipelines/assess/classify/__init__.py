"""Which access pattern a statement is: pure functions of the schema's facts and the statement."""
