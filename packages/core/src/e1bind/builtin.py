"""Core's own plugin: it comes in through the same entry point as anybody's."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.metrics.catalog import metric_plugins
from e1bind.plugins import MetricPlugin, ReaderPlugin, ViewGeneratorPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_readers() -> Sequence[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="fasta3",
            target="e1bind.data.fasta3:Fasta3Reader",
            options="e1bind.data.options:Fasta3Options",
            summary="Three-line FASTA: header, sequence, one 0/1 label per residue; one file for each ion.",
        )
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
def e1bind_metrics() -> Sequence[MetricPlugin]:
    return metric_plugins()
