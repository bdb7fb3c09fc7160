"""Whole teams for a gig: who together covers the skills, at what cost, and why nobody can when nobody can."""
