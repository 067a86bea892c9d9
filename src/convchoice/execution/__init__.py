"""Who works where and when: jobs, processes, seeds, sweeps, progress, tracking."""
