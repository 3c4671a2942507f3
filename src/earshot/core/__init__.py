"""One recorder core: inbox, engine, effects; the session recording server's application; sealing; recovery; check."""
