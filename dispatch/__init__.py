"""People and work: who is in a company, who its customers are, what is to be done where."""
