"""An e1bind loss: prototypes with an additive angular margin."""
