"""What a profile says to Slurm, a section of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from glmdeploy.fields import Count, Word, slurm_time


class SlurmSection(BaseModel):
    """What `sbatch` is asked for beside the GPUs. What is left out, the cluster's defaults decide."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    partition: Word | None = Field(None, description="Partition (`sbatch --partition`).")
    account: Word | None = Field(None, description="Account that is charged (`sbatch --account`).")
    qos: Word | None = Field(None, description="Quality of service (`sbatch --qos`).")
    time: Annotated[str, AfterValidator(slurm_time)] | None = Field(
        None, description="Time limit, such as `12:00:00`, `7-00:00:00` or `UNLIMITED`, in quotes."
    )
    cpus_per_task: Count | None = Field(
        None, description="Cores of one rank. Default: `cluster.cpu_cores` over the ranks of a host."
    )
    container: Literal["none", "pyxis"] = Field(
        "none",
        description="pyxis: run the image through its `srun --container-image`; none: the framework is on the hosts.",
    )
