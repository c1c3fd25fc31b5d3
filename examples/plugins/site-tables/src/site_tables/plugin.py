"""What this package adds to e1bind. Nothing heavy is imported here."""

from e1bind.plugins import ReaderPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_readers():
    return [
        ReaderPlugin(
            name="site-table",
            target="site_tables.reader:SiteTable",
            options="site_tables.options:SiteTableOptions",
            summary="CSV or TSV with a row for each chain: id, sequence, and the numbers of its binding residues.",
        )
    ]
