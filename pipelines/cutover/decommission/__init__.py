"""The end: the final verification, the archive of the source, the proof, and the farewell to RDS."""
