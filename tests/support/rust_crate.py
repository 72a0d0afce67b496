"""The imports of a crate, between folders and between files, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.rust_source import RustSource, Segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


class RustCrate:
    """The sources of a crate, by their path under `src`: `state/generation.rs`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.files = {
            name: RustSource(text, module_of(name)) for name, text in sorted(texts.items())
        }
        self._file_of = {source.module: name for name, source in self.files.items()}

    @classmethod
    def at(cls, src: Path) -> RustCrate:
        return cls(
            {
                path.relative_to(src).as_posix(): path.read_text(encoding="utf-8")
                for path in src.rglob("*.rs")
            }
        )

    def file_of(self, path: Segments) -> str:
        """The file that defines what `crate::...` names: through the `pub use` of a `mod.rs`."""
        seen = set()
        while path not in seen:
            seen.add(path)
            parts = path[1:]
            depth = len(parts)
            while depth and parts[:depth] not in self._file_of:
                depth -= 1
            name = self._file_of.get(parts[:depth], "lib.rs")
            if depth == len(parts):
                return name
            target = self.files[name].names.get(parts[depth]) if name in self.files else None
            if target is None or target[0] != "crate":
                return name
            path = (*target, *parts[depth + 1 :])
        return name

    def imports(self) -> Iterator[tuple[str, int, Segments]]:
        """Each path into the crate itself: the file that has it, the line, the path."""
        for name, source in self.files.items():
            for path in source.paths():
                if path.segments[0] == "crate" and len(path.segments) > 1:
                    yield name, path.line, path.segments

    def against(self, layers: Sequence[str]) -> list[str]:
        """The imports of a folder that does not stand before the importing one in `layers`."""
        known = {name: number for number, name in enumerate(layers)}
        wrong = [f"{name}: in no layer" for name in self.files if layer_of(name) not in known]
        for name, line, path in self.imports():
            own, used = layer_of(name), path[1] if path[1] in known else "lib"
            if own in known and own != used and known[used] > known[own]:
                wrong.append(f"{name}:{line}: {own} uses {'::'.join(path)}")
        return sorted(set(wrong))

    def folder_edges(self) -> set[tuple[str, str]]:
        """Which folder uses which. `lib.rs` names all of them and is left out."""
        folders = {layer_of(name) for name in self.files} - {"lib"}
        edges = {(layer_of(name), path[1]) for name, _, path in self.imports()}
        return {(a, b) for a, b in edges if a != b and a in folders and b in folders}

    def file_edges(self) -> set[tuple[str, str]]:
        """Which file uses which. `mod.rs` and `lib.rs` only hold names and are looked through."""
        maps = {name for name in self.files if name.endswith("mod.rs")} | {"lib.rs"}
        edges = {(name, self.file_of(path)) for name, _, path in self.imports()}
        return {(a, b) for a, b in edges if a != b and not {a, b} & maps}


def module_of(name: str) -> Segments:
    """`a/b.rs` is `a::b`, `a/mod.rs` is `a`, `lib.rs` is the crate."""
    parts = name.removesuffix(".rs").split("/")
    return tuple(parts[:-1] if parts[-1] in {"mod", "lib"} else parts)


def layer_of(name: str) -> str:
    """The folder of a file, or for a file at the top its own name."""
    return name.partition("/")[0].removesuffix(".rs")


def circles(edges: Iterable[tuple[str, str]]) -> list[frozenset[str]]:
    """The groups in which each reaches each."""
    after: dict[str, set[str]] = {}
    for source, target in edges:
        after.setdefault(source, set()).add(target)
    reached: dict[str, set[str]] = {}
    for start in after:
        seen, left = set[str](), [start]
        while left:
            new = after.get(left.pop(), set()) - seen
            seen |= new
            left += new
        reached[start] = seen
    groups = {
        frozenset({b for b in reached[a] if a in reached.get(b, ())} | {a})
        for a in reached
        if a in reached[a]
    }
    return sorted(groups, key=sorted)
