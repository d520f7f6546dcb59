# SPDX-License-Identifier: Apache-2.0
"""What was found out about a model, as a table, as JSON and as a yes or no. It does not know how it was found out."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["holds", "falls back", "skipped", "fails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: Its name.
        status: "holds"; "falls back": a slower way is taken, with equal results; "skipped": it says nothing about this
            model; "fails".
        found: What was seen, in words.
        value: What was measured, where that is a number; in the unit that `found` names.
        remedy: What to do; empty where nothing need be done.
    """

    check: str
    status: Status
    found: str
    value: float | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ModelReport:
    """All findings about one model.

    Attributes:
        model: Its class, with the dtype and the device it was checked in.
        findings: In the order of the checks.
    """

    model: str
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing fails."""
        return all(finding.status != "fails" for finding in self.findings)

    def status_of(self, check: str) -> Status:
        """The status of the check of this name."""
        return next(finding.status for finding in self.findings if finding.check == check)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"model": self.model, "holds": self.holds, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        width = max(len(finding.check) for finding in self.findings)
        lines = [self.model]
        for finding in self.findings:
            lines.append(f"{finding.check:<{width}}  {finding.status:<10}  {finding.found}")
            lines += [f"{'':<{width}}  {'':<10}  {finding.remedy}"] if finding.remedy else []
        return "\n".join(lines)


def within(check: str, value: float, limit: float, unit: str, remedy: str) -> Finding:
    """Holds if a number is at most a limit; NaN is not."""
    if value <= limit:
        return Finding(check=check, status="holds", found=f"{value:.1e} {unit}", value=float(value))
    found = f"{value:.1e} {unit}, more than {limit:.1e}"
    return Finding(check=check, status="fails", found=found, value=float(value), remedy=remedy)
