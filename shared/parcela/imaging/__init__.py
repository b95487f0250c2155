"""Scans and maps on a grid: reading, geometry, and the way from one grid to another."""
