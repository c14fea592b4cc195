"""Decisions, pure: what is known goes in as values, what to do comes out as values. No clock, no network, no ClassAd."""
