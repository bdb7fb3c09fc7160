"""Rooms of chat at their largest."""
