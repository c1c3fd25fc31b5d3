"""Figures of merit, decision thresholds and calibration of scored residues."""
