"""Many trainings: side by side on one machine, or on the machines of a cluster."""
