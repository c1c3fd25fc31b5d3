"""The built-in metrics by name: plain descriptors, nothing heavy imported."""

from __future__ import annotations

from e1bind.plugins import MetricPlugin

_CATALOG = (
    # name, target (in e1bind.metrics), options (in e1bind.metrics.options), summary
    ("auprc", "curves:Auprc", "NoOptions", "Average precision over all residues."),
    ("auroc", "curves:Auroc", "NoOptions", "Area under the ROC curve; says little where positives are rare."),
    (
        "hra",
        "curves:Hra",
        "HraOptions",
        "Area under the precision-recall curve over recall >= `min_recall` (0.7); perfect is 0.3.",
    ),
    ("hra-normalised", "curves:HraNormalised", "HraOptions", "HRA divided by its width in recall; perfect is 1."),
    ("f1", "decisions:F1", "DecisionOptions", "Harmonic mean of precision and recall at the threshold."),
    ("mcc", "decisions:Mcc", "DecisionOptions", "Matthews correlation of calls and labels at the threshold."),
    ("precision", "decisions:Precision", "DecisionOptions", "Share of the calls that bind."),
    ("recall", "decisions:Recall", "DecisionOptions", "Share of the binding residues that are called."),
    (
        "balanced-accuracy",
        "decisions:BalancedAccuracy",
        "DecisionOptions",
        "Mean of the recalls of the two classes at the threshold.",
    ),
    (
        "ece",
        "reliability:Ece",
        "EceOptions",
        "Expected calibration error over bins of equal width; lower is better.",
    ),
    ("brier", "reliability:Brier", "NoOptions", "Mean squared error of the probabilities; lower is better."),
    (
        "auprc-per-protein",
        "per_protein:AuprcPerProtein",
        "NoOptions",
        "Average precision within each protein, averaged over proteins.",
    ),
    (
        "auroc-per-protein",
        "per_protein:AurocPerProtein",
        "NoOptions",
        "Area under the ROC curve within each protein, averaged over proteins.",
    ),
    (
        "f1-per-protein",
        "per_protein:F1PerProtein",
        "DecisionOptions",
        "F1 within each protein at the common threshold, averaged over proteins.",
    ),
    (
        "mcc-per-protein",
        "per_protein:MccPerProtein",
        "DecisionOptions",
        "MCC within each protein at the common threshold, averaged over proteins.",
    ),
)


def metric_plugins() -> list[MetricPlugin]:
    """Descriptors of the built-in metrics, in the order they are listed."""
    return [
        MetricPlugin(
            name=name,
            target=f"e1bind.metrics.{target}",
            options=f"e1bind.metrics.options:{options}",
            summary=summary,
        )
        for name, target, options, summary in _CATALOG
    ]
