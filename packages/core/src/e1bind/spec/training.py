"""The table `[training]` of a run spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from e1bind.spec.fields import MAX_PROCESSES, MOST, IonName, NonNegative, unique
from e1bind.spec.options import Options


class TrainingSection(Options):
    """`[training]`: the optimisation."""

    ions: Annotated[list[IonName], AfterValidator(unique)] = Field(
        min_length=1, max_length=1000, description="Ions to learn, as the data files name them."
    )
    epochs: int = Field(30, ge=1, le=10**6, description="Most epochs of one fold.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-4, description="Peak learning rate.")
    min_lr: NonNegative = Field(1e-6, description="Learning rate at the end of the cosine.")
    warmup_epochs: NonNegative = Field(3, description="Epochs of linear warm-up; fractions are allowed.")
    weight_decay: NonNegative = Field(0.05, description="AdamW weight decay; never on norms and biases.")
    grad_clip: NonNegative = Field(1.0, description="Largest gradient norm; 0: no clipping.")
    batch_size: int = Field(2, ge=1, le=MOST, description="Proteins of one micro-batch, without max_tokens.")
    max_tokens: int | None = Field(
        2048,
        ge=1,
        le=MOST,
        description="Residues times views of one micro-batch; pools of like length. None where batch_size is set.",
    )
    length_pool: int = Field(
        512,
        ge=1,
        le=MOST,
        description="With max_tokens: chains that are sorted by length together; more waste less padding.",
    )
    accum_steps: int = Field(4, ge=1, le=MOST, description="Micro-batches of one optimizer step, on each process.")
    early_stop_patience: int = Field(
        7, ge=0, le=MOST, description="Epochs without a better monitored metric before a fold ends; 0: never."
    )
    save_every_steps: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="Also save the resumable state after so many steps; absent: after each epoch.",
    )
    max_residues: int | None = Field(
        None,
        ge=16,
        le=MOST,
        description="Longer chains are seen through windows of this length; absent: the backbone's limit.",
    )
    window_overlap: int = Field(
        64, ge=0, le=MOST, description="Residues two neighbouring validation windows share."
    )
    workers: int = Field(
        0, ge=0, le=MAX_PROCESSES, description="Processes that prepare batches; 0: the training process itself."
    )
    ddp_find_unused_parameters: bool | Literal["auto"] = Field(
        "auto", description="Passed to DistributedDataParallel; auto: off, since nothing unused is registered."
    )

    @model_validator(mode="before")
    @classmethod
    def _chains_where_they_are_counted(cls, table: Any) -> Any:
        """Who sets a number of proteins, and no budget, gets that number."""
        if isinstance(table, Mapping) and "batch_size" in table and "max_tokens" not in table:
            return {**table, "max_tokens": None}
        return table

    @model_validator(mode="after")
    def _consistent(self) -> TrainingSection:
        if self.min_lr > self.learning_rate:
            raise ValueError(f"min_lr {self.min_lr} is above learning_rate {self.learning_rate}")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} is more than epochs {self.epochs}")
        if self.max_residues is not None and self.window_overlap >= self.max_residues:
            raise ValueError(f"window_overlap {self.window_overlap} is not below max_residues {self.max_residues}")
        return self
