"""Agents: their claims, and the calls that change them under their locks."""
