"""Hooks of mkdocs: pages whose sources lie outside of docs/, and links that hold on a code host and on the site alike.

Results of benchmarks, cards of weights, CONTRIBUTING.md and others stay where they are in the repository, and are
pages of the site. Links in all pages are relative to where the file is in the repository; those to files that are no
page become the file's name.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = (
    "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/results/*.md", "photoflow/weights/shipped/*.md",
    "tests/cuda_emulation/README.md",
)  # fmt: skip
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\[]*)\]\((?P<target>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")
CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            place = site_path(path.relative_to(ROOT).as_posix())
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links by places in the repository into links by places on the site."""
    assert page.file.abs_src_path
    if page.file.src_uri.startswith("benchmarks/") and not markdown.startswith("# "):  # they begin with their command
        markdown = f"# {Path(page.file.src_uri).stem}\n\n{markdown}"
    here = Path(page.file.abs_src_path).resolve().relative_to(ROOT).parent.as_posix()

    def turned(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(here, link["target"]))
        place = site_path(path)
        if files.get_file_from_path(place) is not None:
            there = posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")
            return f"[{link['text']}]({there}{link['anchor'] or ''})"
        if (ROOT / path).exists() and not path.startswith("docs/"):
            named = link["text"].strip("`/") in (path, posixpath.basename(path))
            return f"`{path}`" if named else f"{link['text']} (`{path}`)"
        return link[0]  # mkdocs says that it leads nowhere

    return "".join(part if part.startswith("`") else LINK.sub(turned, part) for part in CODE.split(markdown))


def site_path(path: str) -> str:
    """Return where a file of the repository is on the site: docs/ is its root."""
    return path.removeprefix("docs/").replace("photoflow/weights/shipped/", "weights/")
