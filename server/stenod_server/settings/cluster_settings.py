"""The settings of what nodes share: database, object store, Tritons, buckets. A part of `Settings`."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

EventForm = Literal["json", "json-v2", "txt", "srt", "vtt", "job"]


class ClusterSettings(BaseSettings):
    """Empty: a node on its own, with a SQLite file, a directory and a Triton of its own."""

    parallel: int | None = Field(None, ge=0, le=4096, description="engines; 0: API only; default: the model's own")
    database_url: str = Field("", description="postgresql://USER@HOST/DB that nodes share; none: SQLite in data_dir")
    database_pool: int = Field(10, ge=2, le=200, description="connections of this node to PostgreSQL, at most")
    blob_url: str = Field("", description="s3://, gs:// or az:// BUCKET/PREFIX for media; none: in data_dir")
    hedge_ratio: float = Field(0.0, ge=0, le=0.5, description="windows that may be asked of a second Triton; 0: none")
    output_buckets: tuple[str, ...] = Field((), description="s3://, gs://, az:// prefixes that results may be put in")
    event_output: str = Field("", description="where results of jobs that POST /events makes go; empty: nowhere")
    event_formats: tuple[EventForm, ...] = Field(("json",), description="in which forms: json, txt, srt, job, …")

    @property
    def only_answers(self) -> bool:
        """Whether others do the work: then this node needs no Triton, no models and no decoders."""
        return self.parallel == 0 and bool(self.database_url)
