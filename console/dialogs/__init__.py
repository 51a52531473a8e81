"""What asks before anything changes. Cancel has the focus, and `Y` alone confirms."""
