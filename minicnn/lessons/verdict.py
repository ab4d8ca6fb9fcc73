"""What came out of testing an answer, in words for the one who wrote it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

from ..explain.mistakes.known import MISTAKES, Mistake, shows
from .cases import Case
from .judge import Problem
from .tasks import Task

LISTED = 3  # likely mistakes


@dataclass(frozen=True)
class Verdict:
    """The result of :meth:`Answer.check`; true if all cases are right. ``str()`` is the text, a notebook shows it.

    Attributes
    ----------
    task : Task
    cases : list of Case
        The plainest first.
    problems : list of (Problem or None)
        One for each case.
    passed : bool
        Whether all cases are right.
    first : Problem or None
        That of the plainest wrong case.
    """

    task: Task
    cases: list[Case]
    problems: list[Problem | None]

    @property
    def first(self) -> Problem | None:
        return next((problem for problem in self.problems if problem is not None), None)

    @property
    def passed(self) -> bool:
        return self.first is None

    @property
    def right(self) -> int:
        """How many cases are right."""
        return sum(problem is None for problem in self.problems)

    def __bool__(self) -> bool:
        return self.passed

    def pattern(self) -> str:
        """What all wrong cases have in common and no right one has: "a stride"; empty if there is no such thing."""
        if self.passed or not self.right:
            return ""
        wrong: list[set[str]] = []
        right: list[set[str]] = [set()]
        for case, problem in zip(self.cases, self.problems, strict=True):
            if case.batch:  # of an empty batch nothing can be wrong but the shape
                (right if problem is None else wrong).append(set(case.features()))
        if not wrong:
            return ""
        common = wrong[0].intersection(*wrong) - right[0].union(*right)
        return " and ".join(sorted(common))

    def likely(self) -> list[str]:
        """The mistakes that the plainest wrong case shows, without those that a right case would show too."""
        first = self.first
        if first is None:
            return []
        known = {str(mistake): mistake for mistake in MISTAKES.get(self.task.operation, ())}
        judged = zip(self.cases, self.problems, strict=True)
        right = [case for case, problem in judged if problem is None and case.batch]
        return [text for text in first.likely if text not in known or not self._show(known[text], right)]

    def _show(self, mistake: Mistake, cases: list[Case]) -> bool:
        return any(shows(mistake, self.task.operation, list(case.draw().values())) for case in cases)

    def __str__(self) -> str:
        name, count = self.task.operation, len(self.cases)
        first = self.first
        if first is None:
            return f"{name}: all {count} cases are right."
        lines = [f"{name}: {self.right} of {count} cases are right."]
        if pattern := self.pattern():
            lines.append(f"Only cases with {pattern} are wrong, and all of them are.")
        special = ", ".join(first.case.features()) or "nothing special"
        lines += [f"The plainest wrong case ({special}):", f"  {first.case}", textwrap.indent(first.text, "  ")]
        lines += [f"  Likely: {text}" for text in self.likely()[:LISTED]]
        lines.append(f"The formula is in {self.task.lesson}.")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"
