"""Names of arms and environments as names of folders, and what stands for all settings of a search."""

import hashlib

from reppo.errors import require

SEARCH = "search"
"""What stands for all settings of the base's search, and after a rival's name and a plus for those of that."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+=,")
_DIGITS = frozenset("0123456789")
_LONGEST = 200  # file systems stop at 255 bytes


def folder_name(name: str) -> str:
    """Maps the name of an arm or environment to a folder name that is safe, readable and its own.

    Letters, digits and `-_+=,` stay. A slash becomes a dot (`kl/no_kl` -> `kl.no_kl`); a dot stays between digits
    (`gamma=0.9`). Whatever would be ambiguous or unsafe is percent-encoded, so two names never share a folder: a dot
    elsewhere, a slash between digits or at an end, any other character. Names longer than 200 characters keep
    their beginning and end in a hash. Names that differ only in case share a folder where the file system ignores case.

    Raises:
        ConfigurationError: if the name is empty.
    """
    require(name != "", "A name is empty; arms and environments need one.")
    characters = []
    for i, character in enumerate(name):
        at_an_end = i in (0, len(name) - 1)
        between_digits = not at_an_end and name[i - 1] in _DIGITS and name[i + 1] in _DIGITS
        if character in _PLAIN or (character == "." and between_digits):
            characters.append(character)
        elif character == "/" and not between_digits and not at_an_end:
            characters.append(".")
        else:
            characters.extend(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
    text = "".join(characters)
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[: _LONGEST - 20]}~{digest}"


def search_name(rival: str | None) -> str:
    """What stands for all settings of the search of a rival, or of the base if there is none."""
    return f"{rival}+{SEARCH}" if rival else SEARCH
