"""The rules of calls as pure functions and values: `step(state, input, now) -> effects`. No sockets, no clock, no database."""
