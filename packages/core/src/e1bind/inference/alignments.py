"""The alignments of chains that a run is to score: whether it has a use for them, and which belongs to whom."""

from __future__ import annotations

from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.msa_files import AlignmentPlace
from e1bind.engine.pipeline import Pipeline
from e1bind.errors import DataError, UserError
from e1bind.log import log


def place_of(folder: Path | str | None, option: str = "--msa-dir") -> AlignmentPlace | None:
    """Where the alignments are, if anywhere. Raises `UserError` that names `option` where that is no such place."""
    return None if folder is None else AlignmentPlace(Path(folder), option)


class Alignments:
    """The alignments in `place`, or none; counts the chains that were `read` and those that are `aligned`.

    `option`: what the user calls the place. Raises `UserError` where the run has no use for one, or needs it.
    """

    def __init__(self, pipeline: Pipeline, place: AlignmentPlace | None, option: str = "--msa-dir") -> None:
        check_use_of_alignments(pipeline, place is not None, option)
        self.place = place
        self.required = _needs_alignments(pipeline)
        self.read = self.aligned = 0

    def of(self, record: ResidueRecord) -> ResidueRecord:
        """The record with its alignment. Raises `DataError` for one without, where the run's data want one."""
        self.read += 1
        paired = record if self.place is None else self.place.of(record)
        self.aligned += paired.msa is not None
        if self.required and paired.msa is None:
            raise DataError(f'has no alignment in {self.place}, and the run\'s data has msa = "required"')
        return paired

    def say(self) -> None:
        """Log how many chains have one."""
        if self.place is not None:
            log.info("%d of %d chains have an alignment in %s", self.aligned, self.read, self.place)


def check_use_of_alignments(pipeline: Pipeline, wanted: bool, option: str = "--msa-dir") -> None:
    """Raise `UserError` where the run has no use for alignments, or needs them; warn where it was used to them."""
    trained_with = getattr(pipeline.spec.data.options, "msa_dir", None) is not None
    if not wanted:
        if _needs_alignments(pipeline):
            raise UserError(
                f"the run's data has msa = \"required\"; say with {option} where the chains' alignments are"
            )
        if trained_with and pipeline.validation_contexts is not None:
            log.warning(
                "the run was validated with alignments; without %s its thresholds are those of another input",
                option,
            )
        return
    if not pipeline.backbone.supports_context:
        label = pipeline.spec.backbone.label
        raise UserError(f"{option}: the run's backbone ({label}) reads no alignments; leave {option} out")
    if pipeline.validation_contexts is None:
        raise UserError(f"{option}: the run was validated without alignments (msa.contexts_in_validation is false)")


def _needs_alignments(pipeline: Pipeline) -> bool:
    """Whether the run's data say that a chain without an alignment is an error."""
    return getattr(pipeline.spec.data.options, "msa", None) == "required"
