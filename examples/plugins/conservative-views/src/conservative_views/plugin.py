"""What this package adds to e1bind. Nothing heavy is imported here."""

from e1bind.plugins import ViewGeneratorPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_view_generators():
    return [
        ViewGeneratorPlugin(
            name="conservative",
            target="conservative_views.views:ConservativeViews",
            options="conservative_views.options:ConservativeOptions",
            summary="Views in which residues are replaced by others that evolution puts in their place (BLOSUM62).",
        )
    ]
