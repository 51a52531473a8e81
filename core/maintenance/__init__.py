"""Finding and repairing damage: the doctor, the restoration of files, and startup recovery of the engine."""
