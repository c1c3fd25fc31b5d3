"""Single-file plugins named by a spec."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from plugin_packages import run_python

LOCAL = """
from e1bind.plugins import LossPlugin, hookimpl
from e1bind.spec import Options
E1BIND_API = 1
class MineOptions(Options):
    margin: float = 0.5
class Mine:
    def __init__(self, options): self.options = options
@hookimpl
def e1bind_losses():
    return [LossPlugin(name="mine", target="my_loss:Mine", options="my_loss:MineOptions", summary="Mine.")]
"""

LOAD = """
from pathlib import Path
from e1bind.plugins import PluginPolicy, discover
from e1bind.errors import PluginError
try:
    component = discover(PluginPolicy(local=[Path({path!r})])).get("loss", "mine")
    print(component.full_name, component.source.sha256, component.build(component.load_options()()).options.margin)
except PluginError as error:
    print("error:", error)
"""


def load(path: Path) -> str:
    result = run_python(LOAD.format(path=str(path)))
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_single_file_is_a_plugin_and_its_hash_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "my_loss.py"
    file.write_text(LOCAL)
    assert load(file) == f"local/mine {sha256(file.read_bytes()).hexdigest()} 0.5"


def test_a_local_file_that_fails_stops_the_run(tmp_path: Path) -> None:
    file = tmp_path / "my_loss.py"
    file.write_text("1 / 0")
    assert "import failed: ZeroDivisionError" in load(file)
    file.write_text(LOCAL.replace("E1BIND_API = 1", "E1BIND_API = 7"))
    assert "plugin API 7" in load(file)
    assert "there is no file" in load(tmp_path / "nowhere.py")


def test_a_local_file_may_not_hide_a_module(tmp_path: Path) -> None:
    file = tmp_path / "json.py"
    file.write_text(LOCAL)
    assert "would hide the module 'json'" in load(file)
