"""Does what is served, what comes in, and who asks still look as it did? Compare windows of rows with a reference."""
