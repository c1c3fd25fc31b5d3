"""Core's own plugin: it comes in through the same entry point as anybody's."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.metrics.catalog import metric_plugins
from e1bind.plugins import (
    BaselinePlugin,
    CalibrationPlugin,
    HeadPlugin,
    MetricPlugin,
    ReaderPlugin,
    TrackerPlugin,
    ViewGeneratorPlugin,
    hookimpl,
)

E1BIND_API = 1


@hookimpl
def e1bind_readers() -> Sequence[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="fasta3",
            target="e1bind.readers.fasta3:Fasta3Reader",
            options="e1bind.readers.options:Fasta3Options",
            summary="Three-line FASTA: header, sequence, one 0/1 label per residue; one file for each ion.",
        ),
        ReaderPlugin(
            name="table",
            target="e1bind.readers.table:TableReader",
            options="e1bind.readers.options:TableOptions",
            summary="CSV, TSV or Parquet with a row for each chain: id, sequence, and per ion labels or positions.",
        ),
        ReaderPlugin(
            name="uniprot",
            target="e1bind.readers.uniprot:UniprotReader",
            options="e1bind.readers.options:UniprotOptions",
            summary="UniProt's exports: TSV with the column Binding site, or flat files.",
        ),
        ReaderPlugin(
            name="biolip",
            target="e1bind.readers.biolip:BiolipReader",
            options="e1bind.readers.options:BiolipOptions",
            summary="BioLiP's flat file: a line for each site of each chain.",
        ),
        ReaderPlugin(
            name="structures",
            target="e1bind.readers.structures:StructuresReader",
            options="e1bind.readers.options:StructuresOptions",
            summary="A folder of PDB and mmCIF files: residues are labelled by their distance to an ion.",
        ),
        ReaderPlugin(
            name="biotrainer",
            target="e1bind.readers.biotrainer:BiotrainerReader",
            options="e1bind.readers.options:BiotrainerOptions",
            summary="biotrainer's residue_to_class: FASTA with a letter of a class for each residue.",
        ),
    ]


@hookimpl
def e1bind_view_generators() -> Sequence[ViewGeneratorPlugin]:
    return [
        ViewGeneratorPlugin(
            name="masked",
            target="e1bind.views.masked:MaskedViews",
            options="e1bind.views.options:MaskedOptions",
            summary="Views that differ in their masked residues (80/10/10) and, if wanted, in their MSA context.",
        )
    ]


@hookimpl
def e1bind_heads() -> Sequence[HeadPlugin]:
    return [
        HeadPlugin(
            name="prototype",
            target="e1bind.heads.prototype:PrototypeHead",
            options="e1bind.heads.options:PrototypeHeadOptions",
            summary="Similarity to the frozen prototypes; what a spec without a head table means.",
            provides={"scores", "prototypes"},
        ),
        HeadPlugin(
            name="linear",
            target="e1bind.heads.linear:LinearHead",
            options="e1bind.heads.options:LinearHeadOptions",
            summary="A trained linear classifier for each ion on the embeddings.",
            needs={"loss-on-scores"},
            provides={"scores"},
        ),
    ]


@hookimpl
def e1bind_metrics() -> Sequence[MetricPlugin]:
    return metric_plugins()


@hookimpl
def e1bind_baselines() -> Sequence[BaselinePlugin]:
    return [
        BaselinePlugin(
            name="residue-type",
            target="e1bind.baselines.residue_type:ResidueType",
            options="e1bind.baselines.options:ResidueTypeOptions",
            summary="How often residues of the same type bind in the training chains.",
        ),
        BaselinePlugin(
            name="window",
            target="e1bind.baselines.window:Window",
            options="e1bind.baselines.options:WindowOptions",
            summary="Logistic regression on the residue types around a residue (one-hot window).",
        ),
        BaselinePlugin(
            name="frozen-probe",
            target="e1bind.baselines.frozen_probe:FrozenProbe",
            options="e1bind.baselines.options:FrozenProbeOptions",
            summary="Logistic regression on the embeddings of the unadapted backbone.",
            needs={"embeddings"},
        ),
    ]


@hookimpl
def e1bind_calibrations() -> Sequence[CalibrationPlugin]:
    return [
        CalibrationPlugin(
            name="platt",
            target="e1bind.metrics.calibrations:Platt",
            options="e1bind.metrics.options:NoOptions",
            summary="A sigmoid of the logit, with Platt's softened targets; two numbers.",
        ),
        CalibrationPlugin(
            name="isotonic",
            target="e1bind.metrics.calibrations:Isotonic",
            options="e1bind.metrics.options:NoOptions",
            summary="The best map that never falls; wants many binding residues.",
        ),
    ]


@hookimpl
def e1bind_trackers() -> Sequence[TrackerPlugin]:
    return [
        TrackerPlugin(
            name="jsonl",
            target="e1bind.trackers.jsonl:JsonLines",
            options="e1bind.trackers.options:JsonLinesOptions",
            summary="Every step, epoch and event of a run as lines of JSON.",
        ),
        TrackerPlugin(
            name="tensorboard",
            target="e1bind.trackers.tensorboard:TensorBoard",
            options="e1bind.trackers.options:TensorBoardOptions",
            summary="Curves and figures for TensorBoard (needs e1bind-core[tensorboard]).",
        ),
    ]
