"""Finding and repairing damage: the doctor, and the recovery at the start of an engine."""
