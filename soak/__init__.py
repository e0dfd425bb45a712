"""Long runs: many threads, faults on, sessions opened and dropped; nothing may grow."""
