"""Agent code, declared and run outside the loop: coroutines, threads, child processes, each within its limits."""
