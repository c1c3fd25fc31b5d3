"""E1, a masked language model over one or more protein sequences laid end to end in a row."""

from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.e1.model import E1ForMaskedLM, E1MaskedLMOutput
from e1bind_backbones.e1.tokens import encode_rows

__all__ = ["E1Config", "E1ForMaskedLM", "E1MaskedLMOutput", "encode_rows"]
