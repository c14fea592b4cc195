"""Benchmark jobs for a pool, as the original's authors ran them: `stress` on cpu, memory and disk, at a rate, of a length."""
