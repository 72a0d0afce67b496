"""How does what is served outlive the process that serves it?

The parts, in reading order: `places` (the folder of a server), `resumed` (what a process that
starts takes from there, and the words for it), `keeper` (the thread that writes after each update).
The core reads, compares and writes (`crates/engine/src/last_served`).
"""
