"""Keep `uv.lock` free of addresses: a git clean filter and a check.

    python scripts/portable_lock.py < uv.lock > reduced.lock   reduce (what the filter runs)
    python scripts/portable_lock.py --install                  set the filter up in this clone
    python scripts/portable_lock.py --check                    fail if the committed lock holds an address

uv writes the address of the index and of every download into its lock. The reduced lock keeps versions and
markers only; uv takes those as its preference and resolves again from whatever index the machine uses.
"""

import argparse
import re
import subprocess
import sys

FILTER = "portable-lock"
_REGISTRY = re.compile(r'source = \{ registry = "[^"]*" \}')
_ONE_LINE = re.compile(r"^(sdist = |wheels = \[.*\]$|requires-dist = \[.*\]$)")
_BLOCK_START = re.compile(r"^(wheels|requires-dist) = \[$")


def reduce_lock(text: str) -> str:
    """The lock without download entries, and with `.` for every registry."""
    kept: list[str] = []
    inside_block = False
    for line in text.splitlines():
        if inside_block:
            inside_block = line != "]"
        elif _BLOCK_START.match(line):
            inside_block = True
        elif not _ONE_LINE.match(line):
            kept.append(_REGISTRY.sub('source = { registry = "." }', line))
    return "\n".join(kept) + "\n"


def install() -> None:
    for key, value in (("clean", "python3 scripts/portable_lock.py"), ("smudge", "cat")):
        subprocess.run(["git", "config", f"filter.{FILTER}.{key}", value], check=True)


def check() -> int:
    committed = subprocess.run(["git", "show", "HEAD:uv.lock"], capture_output=True, text=True, check=True)
    bad = [f"{n}: {line}" for n, line in enumerate(committed.stdout.splitlines(), 1) if "://" in line]
    if bad:
        print(f"the committed uv.lock holds {len(bad)} addresses, the first at line {bad[0]}")
        print("run `python scripts/portable_lock.py --install`, then `git add --renormalize uv.lock`")
        return 1
    print("uv.lock is portable")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep uv.lock free of addresses.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--install", action="store_true", help="set the git filter up in this clone")
    group.add_argument("--check", action="store_true", help="fail if the committed lock holds an address")
    arguments = parser.parse_args()
    if arguments.install:
        install()
        return 0
    if arguments.check:
        return check()
    sys.stdout.write(reduce_lock(sys.stdin.read()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
