"""An e1bind reader: a table of chains with the places of their sites."""
