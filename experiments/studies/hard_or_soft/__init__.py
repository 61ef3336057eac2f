"""Hard attention against soft: all agents on all tasks, equally tuned, by what each had cost."""
