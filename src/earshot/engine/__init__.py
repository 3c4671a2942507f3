"""The rules of calls: pure values and `step(state, input, now_us) -> effects`. No sockets, no clock, no database."""
