"""The view room: how a chain is shown to the model."""
