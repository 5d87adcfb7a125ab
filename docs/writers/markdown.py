"""Names, questions and docstrings are text: how it stands in Markdown."""

import re

_TOKEN = re.compile(r"(`[^`]+`|arXiv:? ?\d{4}\.\d{5}|(?:https://)?(?:[\w-]+\.)+(?:com|io|net|org)/[\w./-]*\w)")
_SPECIAL = re.compile(r"[&<>*_\[\]\\$|`#~^!{}]")


def text(words: str) -> str:
    """Plain text: every sign that Markdown or HTML would read stands for itself."""
    return _SPECIAL.sub(lambda sign: f"&#{ord(sign.group())};", words)


def code(words: object) -> str:
    """Words as code, whatever backticks they hold."""
    words = " ".join(str(words).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
    pad = " " if words.startswith("`") or words.endswith("`") or not words else ""
    return f"{fence}{pad}{words}{pad}{fence}"


def prose(words: str) -> str:
    """Text of a docstring: code stays code; papers and addresses become links."""

    def written(token: str) -> str:
        if not _TOKEN.fullmatch(token):
            return text(token)
        if token.startswith("`"):
            return code(token.strip("`"))
        if token.startswith("arXiv"):
            return f"[{token}](https://arxiv.org/abs/{token[-10:]})"
        return f"[{text(token)}](https://{token.removeprefix('https://')})"

    return "".join(map(written, _TOKEN.split(words)))


def anchor(name: str) -> str:
    """The anchor of an entry: its name, as far as an address can hold it."""
    return re.sub(r"[^\w./+-]", "-", name)


def heading(level: int, name: str) -> str:
    """The heading of an entry, with its anchor."""
    return f"{'#' * level} {code(name)} {{ #{anchor(name)} }}"


def link(name: str, page: str = "") -> str:
    """A link to an entry, of this page or of another."""
    return f"[{code(name)}]({page}#{anchor(name)})"


def blocks(*parts: str) -> str:
    """Blocks of Markdown below each other; empty ones are left out."""
    return "\n\n".join(part for part in parts if part)


def bullets(*items: str) -> str:
    """A list; empty items are left out."""
    return "\n".join(f"- {item}" for item in items if item)
