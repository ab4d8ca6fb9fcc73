"""Everything about one model on one page of HTML that needs nothing else."""
