"""How any file is read, written and named, whatever it is of: whole or not at all, and never believed unread."""
