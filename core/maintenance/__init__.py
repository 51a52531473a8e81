"""Finding and repairing damage: the doctor, what restores a file, and the recovery at the start of an engine."""
