"""Alignments built with MMseqs2: one a3m for each chain, the chain first, some chains at a time.

What is done stays: files and the manifest appear together after each batch, and the same command goes on from
there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from e1bind.curation.inputs import Chain, read_input
from e1bind.curation.mmseqs import Mmseqs, write_numbered
from e1bind.curation.msa_manifest import Built, Manifest, digest, file_of
from e1bind.errors import DataError, UserError
from e1bind.files.writing import atomic_write_text, output_folder, sweep, together

BATCH = 32
"""Chains that are searched together: many enough to share the indexing of the database, few enough to lose."""


@dataclass(frozen=True)
class MsaParameters:
    """How homologs are sought: iterations (profiles after the first), sensitivity (1 to 7.5), E-value, rows."""

    iterations: int = 3
    sensitivity: float = 5.7
    evalue: float = 1e-3
    max_sequences: int = 1000


@dataclass(frozen=True)
class MsaOutcome:
    """How many alignments were built and how many had been; rows of each, the chain itself included."""

    built: int
    kept: int
    depths: tuple[int, ...]


Advance = Callable[[int, int], None]
"""Told how many chains are done, and of how many."""


def build_alignments(
    chains: Sequence[Chain],
    database: Path,
    folder: Path,
    parameters: MsaParameters,
    threads: int = 1,
    rebuild: bool = False,
    advance: Advance = lambda done, total: None,
) -> MsaOutcome:
    """Build what is not there yet. Raises `UserError`, also where `folder` holds alignments of other making."""
    program = Mmseqs.needed("building alignments")
    output_folder(folder)
    sweep(folder)
    with tempfile.TemporaryDirectory(prefix="e1bind-") as name:
        work = Path(name)
        source = _Database(database, work)
        manifest = Manifest(str(database), source.digest, f"MMseqs2 {program.version}", asdict(parameters))
        before = Manifest.load(folder) if not rebuild else None
        _check_folder(folder, manifest, before, chains, rebuild)
        if before is not None:
            manifest = before
        to_do = [chain for chain in chains if not manifest.has(chain, folder)]
        kept = len(chains) - len(to_do)
        advance(kept, len(chains))
        if to_do:
            source.make(program)
        for start in range(0, len(to_do), BATCH):
            batch = to_do[start : start + BATCH]
            texts = _aligned(program, batch, source.path, work, parameters, threads)
            with together():
                for chain, text in zip(batch, texts, strict=True):
                    atomic_write_text(folder / file_of(chain), text)
                    depth = text.count("\n>") + 1
                    manifest.chains[chain.id] = Built(file_of(chain), depth, digest(chain.sequence))
                manifest.commands = program.commands
                manifest.save(folder)
            program.commands = program.commands[: source.commands]
            advance(kept + start + len(batch), len(chains))
    return MsaOutcome(len(to_do), kept, tuple(manifest.chains[chain.id].depth for chain in chains))


class _Database:
    """What is searched: a database of MMseqs2 as it is, or FASTA of which one is made."""

    def __init__(self, source: Path, work: Path) -> None:
        self.commands = 0
        self.fasta: Path | None = None
        if Path(f"{source}.dbtype").is_file():
            self.path = source.absolute()
            self.digest = _digest([source, Path(f"{source}.index")])
            return
        found = read_input(source, ["train"])
        if not found:
            raise DataError(f"{source} has no sequences to search")
        self.path, self.fasta = Path("..") / "database", work / "database.fasta"
        with self.fasta.open("w", encoding="utf-8") as file:
            file.writelines(f">{chain.id}\n{chain.sequence}\n" for chain in found)
        self.digest = _digest([self.fasta])

    def make(self, program: Mmseqs) -> None:
        """Have the program read the FASTA, where there is one."""
        if self.fasta is not None:
            program.run(
                ["createdb", self.fasta.name, self.path.name, "--dbtype", "1", "-v", "1"], self.fasta.parent
            )
        self.commands = len(program.commands)


def _digest(files: Sequence[Path]) -> str:
    whole = sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(2**20):
                whole.update(block)
    return whole.hexdigest()


def _check_folder(
    folder: Path, manifest: Manifest, before: Manifest | None, chains: Sequence[Chain], rebuild: bool
) -> None:
    """Raise `UserError` where files would be mixed with, or written over, those of another making."""
    way_out = "build all of them anew with --rebuild, or choose another folder with -o"
    if before is not None and (what := manifest.differs(before)):
        raise UserError(f"{folder} holds alignments built with {what}; {way_out}")
    if before is None and not rebuild:
        there = [file_of(chain) for chain in chains if (folder / file_of(chain)).exists()]
        if there:
            raise UserError(
                f"{folder} holds {len(there)} of these chains' alignments ({', '.join(there[:5])}), and nothing "
                f"says how they were built; {way_out}"
            )


def _aligned(
    program: Mmseqs, batch: Sequence[Chain], database: Path, work: Path, how: MsaParameters, threads: int
) -> list[str]:
    """The a3m of each chain."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        write_numbered((chain.sequence for chain in batch), folder / "query.fasta")
        quiet = ["--threads", str(threads), "-v", "1"]
        program.run(["createdb", "query.fasta", "query", "--dbtype", "1", "-v", "1"], folder)
        words = ["--num-iterations", str(how.iterations), "-s", str(how.sensitivity), "-e", str(how.evalue), "-a"]
        words += ["--max-seqs", str(how.max_sequences)]
        program.run(["search", "query", str(database), "result", "tmp", *words, *quiet], folder)
        made = ["result2msa", "query", str(database), "result", "msa", "--msa-format-mode", "6"]
        program.run([*made, *quiet], folder)
        program.run(["unpackdb", "msa", "unpacked", "--unpack-name-mode", "0", "-v", "1"], folder)
        texts = {}
        for file in (folder / "unpacked").iterdir():
            text = file.read_text(encoding="utf-8", errors="replace").replace("\0", "")
            head, _, rest = text.partition("\n")
            if head:
                texts[int(head[1:].split()[0])] = rest
    return [_with_chain(chain, texts.get(number, "")) for number, chain in enumerate(batch)]


def _with_chain(chain: Chain, rest: str) -> str:
    """The a3m under the chain's own name: the query of MMseqs2 must be the chain, letter for letter."""
    query, _, others = rest.partition("\n")
    if query and query != chain.sequence:
        raise UserError(
            f"{chain.id}: MMseqs2 gave an alignment of another sequence; is it another version than 13 to 17?"
        )
    end = "" if not others or others.endswith("\n") else "\n"
    return f">{chain.id}\n{chain.sequence}\n{others}{end}"
