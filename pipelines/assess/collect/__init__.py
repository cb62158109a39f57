"""Evidence from PostgreSQL's catalogue and statistics. No row of a user's table is read here without a bound."""
