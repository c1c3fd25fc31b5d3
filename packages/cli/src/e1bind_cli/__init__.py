"""The command line of e1bind."""

import e1bind  # noqa: F401  # before typer imports pydantic: damaged packages must not end that
