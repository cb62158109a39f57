"""All texts that a key's template can give, as a regular language: to match keys by, and to find out whether two
templates can give the same text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Chars:
    """One character of a set, or with `negated` one outside of it."""

    characters: frozenset[str]
    negated: bool = False


@dataclass(frozen=True)
class Sequence:
    parts: tuple[Language, ...]


@dataclass(frozen=True)
class Choice:
    parts: tuple[Language, ...]


@dataclass(frozen=True)
class Repeat:
    """None, one or more times."""

    part: Language


Language = Chars | Sequence | Choice | Repeat

DIGIT = Chars(frozenset("0123456789"))
ANY = Repeat(Chars(frozenset(), negated=True))


def text(literal: str) -> Language:
    return Sequence(tuple(Chars(frozenset(character)) for character in literal))


def times(part: Language, n: int) -> Language:
    return Sequence((part,) * n)


def optional(part: Language) -> Language:
    return Choice((Sequence(()), part))


def regex(language: Language) -> str:
    """For `re.fullmatch` with re.DOTALL."""
    match language:
        case Chars():
            return _class(language)
        case Sequence():
            return "".join(regex(part) for part in language.parts)
        case Choice():
            return f"(?:{'|'.join(regex(part) for part in language.parts)})"
        case Repeat():
            return f"(?:{regex(language.part)})*"


def _class(chars: Chars) -> str:
    if not chars.characters:
        return "." if chars.negated else r"(?!)"
    if len(chars.characters) == 1 and not chars.negated:
        return re.escape(next(iter(chars.characters)))
    inside = "".join(re.escape(character) for character in sorted(chars.characters))
    return f"[{'^' if chars.negated else ''}{inside}]"


def common(left: Language, right: Language) -> str | None:
    """A shortest text, not empty, that both languages hold; None where there is none. Exact.

    Both are made automata, and their product is searched breadth first.
    """
    a, b = _Automaton.of(left), _Automaton.of(right)
    start = [(x, y) for x in a.reach(a.start) for y in b.reach(b.start)]
    seen = set(start)
    queue = deque((pair, "") for pair in start)
    while queue:
        (x, y), so_far = queue.popleft()
        for character, x_next, y_next in _steps(a, b, x, y):
            for pair in ((p, q) for p in a.reach(x_next) for q in b.reach(y_next)):
                if pair == (a.end, b.end):
                    return so_far + character
                if pair not in seen:
                    seen.add(pair)
                    queue.append((pair, so_far + character))
    return None


@dataclass
class _Automaton:
    """Thompson's construction: `steps` eat a character, `free` ones do not."""

    start: int = 0
    end: int = 1
    size: int = 2
    free: dict[int, list[int]] = field(default_factory=dict)
    steps: dict[int, list[tuple[Chars, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, language: Language) -> _Automaton:
        automaton = cls()
        automaton._add(language, automaton.start, automaton.end)
        return automaton

    def _new(self) -> int:
        self.size += 1
        return self.size - 1

    def _jump(self, source: int, target: int) -> None:
        self.free.setdefault(source, []).append(target)

    def _add(self, language: Language, source: int, target: int) -> None:
        match language:
            case Chars():
                self.steps.setdefault(source, []).append((language, target))
            case Sequence():
                for part in language.parts:
                    after = self._new()
                    self._add(part, source, after)
                    source = after
                self._jump(source, target)
            case Choice():
                for part in language.parts:
                    self._add(part, source, target)
            case Repeat():
                loop = self._new()
                self._jump(source, loop)
                self._add(language.part, loop, loop)
                self._jump(loop, target)

    def reach(self, state: int) -> set[int]:
        """The states that are reached without eating a character, itself included."""
        found, waiting = {state}, [state]
        while waiting:
            for after in self.free.get(waiting.pop(), ()):
                if after not in found:
                    found.add(after)
                    waiting.append(after)
        return found


def _steps(a: _Automaton, b: _Automaton, x: int, y: int) -> Iterator[tuple[str, int, int]]:
    for left, x_next in a.steps.get(x, ()):
        for right, y_next in b.steps.get(y, ()):
            character = _shared(left, right)
            if character is not None:
                yield character, x_next, y_next


def _shared(left: Chars, right: Chars) -> str | None:
    """A character of both."""
    if left.negated and right.negated:
        return next(c for c in map(chr, range(0x61, 0x110000)) if c not in left.characters | right.characters)
    if left.negated:
        return min(right.characters - left.characters, default=None)
    if right.negated:
        return min(left.characters - right.characters, default=None)
    return min(left.characters & right.characters, default=None)
