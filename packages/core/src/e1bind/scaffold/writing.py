"""Putting a plugin together, and writing it where nothing stands yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e1bind import __version__
from e1bind.data.labels import text_of_labels
from e1bind.errors import UserError
from e1bind.files.writing import check_vacant, output_text
from e1bind.plugins import API_VERSION
from e1bind.scaffold.imports import import_lines
from e1bind.scaffold.names import check_component, check_distribution, component_names
from e1bind.scaffold.parts import TEMPLATES, Part
from e1bind.testing.chains import tiny_chains


@dataclass(frozen=True)
class Wanted:
    """A plugin to be: its name, the kinds of its components, a name for one component of one kind, or None."""

    name: str
    kinds: Sequence[str]
    component: str | None = None

    def parts(self, module: str, local: bool) -> list[Part]:
        """Its components. Raises `UserError` for names that cannot be."""
        kinds = list(dict.fromkeys(self.kinds))
        names = component_names(self.name, kinds)
        if self.component is not None:
            if len(kinds) > 1:
                raise UserError("a component's own name goes with one kind: leave it out, and rename them later")
            names = {kinds[0]: self.component}
        for kind, name in names.items():
            check_component(name, kind)
        if local:
            return [Part(kind, name, module, module) for kind, name in names.items()]
        return [Part(k, n, f"{module}.{Part(k, n, '', '').file}", f"{module}.options") for k, n in names.items()]


def new_package(wanted: Wanted, folder: Path) -> list[Path]:
    """Write a whole package into `folder`/NAME; the files. Raises `UserError` where something stands there."""
    module = check_distribution(wanted.name)
    parts = wanted.parts(module, local=False)
    root = folder / wanted.name
    check_vacant(root, "choose another name or another folder")
    source = Path("src") / module
    common: dict[str, Any] = {"distribution": wanted.name, "module": module, "parts": parts, "api": API_VERSION}
    names = _imported("e1bind.plugins", *(p.descriptor for p in parts), "hookimpl")
    contracts = _imported("e1bind.testing", *(p.contract for p in parts))
    files = {
        Path("pyproject.toml"): _render(
            "pyproject.toml", **common, versions=_versions(), description=_kinds(parts)
        ),
        Path("README.md"): _render("README.md", **common, description=_about(parts)),
        Path("spec.toml"): _spec(wanted.name, parts, "spec.toml", "data/{ion}_train" + _suffix(parts)),
        source / "__init__.py": "",
        source / "plugin.py": _render("plugin.py", **common, imports=names),
        source / "options.py": _render(
            "options.py", **common, option_imports=import_lines([part.of.options for part in parts])
        ),
        **{source / f"{part.file}.py": part.component_file for part in parts},
        Path("tests/test_contract.py"): _render("test_contract.py", **common, contracts=contracts),
        Path("data") / f"ZN_train{_suffix(parts)}": _data(parts),
    }
    return _write(root, files)


def new_file(wanted: Wanted, folder: Path) -> list[Path]:
    """Write a single-file plugin with a spec and data beside it; the files. Raises `UserError`."""
    module = check_distribution(wanted.name)
    parts = wanted.parts(module, local=True)
    wanted_imports = [imports for part in parts for imports in (part.of.component, part.of.options)]
    hooks = {"e1bind.plugins": (*(part.descriptor for part in parts), "hookimpl")}
    head = f'"""A plugin for e1bind: {_kinds(parts)}."""\n\n'
    code = head + import_lines([*wanted_imports, hooks]) + f"\n\nE1BIND_API = {API_VERSION}\n"
    for part in parts:
        code += f"\n\n{part.options_code}\n\n{part.component_code}"
    plugin = _render("plugin.py", parts=parts, imports="", api=API_VERSION)
    code += plugin[plugin.index("\n\n@hookimpl") :]
    suffix = _suffix(parts)
    files = {
        Path(f"{module}.py"): code,
        Path(f"{module}.toml"): _spec(
            wanted.name, parts, f"{module}.toml", f"{module}_{{ion}}{suffix}", local=True
        ),
        Path(f"{module}_ZN{suffix}"): _data(parts),
    }
    if there := [str(folder / path) for path in files if (folder / path).exists()]:
        raise UserError(f"{there[0]} exists already; choose another name or another folder")
    return _write(folder, files)


def _imported(module: str, *names: str) -> str:
    """What follows `from module import`."""
    return import_lines([{module: names}]).partition(" import ")[2]


def _write(folder: Path, files: dict[Path, str]) -> list[Path]:
    for path, text in files.items():
        output_text(folder / path, text, "--folder")
    return [folder / path for path in files]


def _render(template: str, **values: Any) -> str:
    return TEMPLATES.get_template(f"{template}.jinja").render(**values)


def _about(parts: Sequence[Part]) -> str:
    names = [f"the {part.kind.replace('_', ' ')} {part.name}" for part in parts]
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


def _kinds(parts: Sequence[Part]) -> str:
    return ", ".join(part.kind.replace("_", " ") for part in parts)


def _versions() -> str:
    """Versions of e1bind-core from this one to the next that may break: `>=0.1,<0.2`."""
    major, minor, *_ = __version__.split(".")
    following = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return f">={major}.{minor},<{following}"


def _suffix(parts: Sequence[Part]) -> str:
    return ".csv" if _name(parts, "reader", "") else ".fasta"


def _name(parts: Sequence[Part], kind: str, otherwise: str) -> str:
    return next((part.name for part in parts if part.kind == kind), otherwise)


def _spec(name: str, parts: Sequence[Part], file: str, data: str, local: bool = False) -> str:
    metrics = ["auprc", "auroc", *(part.name for part in parts if part.kind == "metric")]
    return _render(
        "spec.toml",
        distribution=name,
        spec_file=file,
        local=f"{Path(file).stem}.py" if local else "",
        data=data,
        reader=_name(parts, "reader", "fasta3"),
        backbone=_name(parts, "backbone", "e1"),
        views=_name(parts, "view_generator", "masked"),
        head=_name(parts, "head", ""),
        loss=_name(parts, "loss", ""),
        baseline=_name(parts, "baseline", ""),
        calibration=_name(parts, "calibration", ""),
        tracker=_name(parts, "tracker", ""),
        compute=", ".join(f'"{metric}"' for metric in metrics),
    )


def _data(parts: Sequence[Part]) -> str:
    """Made-up chains, as the generated reader, or else `fasta3`, takes them."""
    form = "{},{},{}\n" if _name(parts, "reader", "") else ">{}\n{}\n{}\n"
    rows = [(record.id, record.sequence, text_of_labels(record.labels["ZN"])) for record in tiny_chains()]
    return "".join(form.format(*row) for row in rows)
