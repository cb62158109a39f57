"""Which runs a migration has, and which of them need not be kept any longer."""
