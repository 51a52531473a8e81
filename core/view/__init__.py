"""What every face shows: the snapshot of a workspace, now or in the recorded past."""
