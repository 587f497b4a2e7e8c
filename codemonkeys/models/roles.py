"""The models of a run, by the role that each plays."""

from __future__ import annotations

from dataclasses import dataclass

from codemonkeys.models.base import Model
from codemonkeys.stages import STAGES


@dataclass(frozen=True)
class ModelSet:
    """The models of a run, open."""

    primary: Model
    scan: Model
    """Reads every file: the cheap one."""
    writers: tuple[Model, ...] = ()
    """Write tests and edits, in turn by sample; the primary model if empty."""

    def of(self, stage: str, sample: int) -> Model:
        """The model that a sample of a stage calls."""
        role = STAGES[stage].role if stage in STAGES else "primary"
        if role == "scan":
            return self.scan
        if role == "writer" and self.writers:
            return self.writers[sample % len(self.writers)]
        return self.primary

    def distinct(self) -> tuple[Model, ...]:
        """Every model once, whatever its roles."""
        return tuple({id(model): model for model in (self.primary, self.scan, *self.writers)}.values())

    async def close(self) -> None:
        """Release the connections of all."""
        for model in self.distinct():
            await model.close()
