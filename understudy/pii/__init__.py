"""Personal identifiers: found in a raw table, dropped, replaced by invented values, or tokenised with a key."""
