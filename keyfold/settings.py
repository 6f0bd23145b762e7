"""All settings: one frozen record, from flags, the environment and ``keyfold.toml``.

A flag wins over ``KEYFOLD_…`` in the environment, that over ``keyfold.toml`` in the working
directory, that over the default. Units stand in the names. A wrong or unknown setting is a refusal
to start. Every field has its heading in docs/operating.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pydantic_settings
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from keyfold.errors import SettingsError, did_you_mean

CONFIG_FILE = "keyfold.toml"
_WHERE_LISTED = "docs/operating.md lists every setting with its bounds"


class Settings(BaseSettings):
    """See docs/operating.md for what each one trades."""

    model_config = SettingsConfigDict(
        env_prefix="KEYFOLD_", frozen=True, extra="forbid", toml_file=CONFIG_FILE
    )

    data_dir: Path = Field(Path("keyfold-data"), description="Where state, event log and lake lie.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe record that is logged."
    )
    log_format: Literal["auto", "human", "json"] = Field(
        "auto", description="`auto` is human on a terminal and JSON otherwise."
    )

    commit_interval_ms: int = Field(
        10, ge=1, le=60_000, description="Longest wait of an applied event for its commit."
    )
    commit_interval_backlog_ms: int = Field(
        1_000, ge=1, le=60_000, description="The same while the source is far ahead."
    )
    commit_keys_max: int = Field(
        250_000, ge=1_000, le=2_000_000, description="Changed keys of one view that force a commit."
    )
    batch_messages_max: int = Field(
        250_000, ge=1, le=1_000_000, description="Messages per evaluated batch, at most."
    )
    poll_timeout_ms: int = Field(
        10, ge=1, le=1_000, description="How long a poll waits for messages."
    )
    hot_bytes_max: int = Field(
        512 << 20,
        ge=1 << 20,
        description="Memory for hot partials, values seen and newest sessions, over all views.",
    )
    ingest_block_cache_bytes: int = Field(
        128 << 20, ge=1 << 20, description="RocksDB block cache of the writer."
    )
    ingest_threads: int = Field(1, ge=1, le=64, description="Threads of DuckDB in the writer.")
    bulk_keys_min: int = Field(
        5_000, ge=1, description="A commit of at least this many keys goes around the log."
    )
    wal_bytes_max: int = Field(
        8 << 20, ge=1 << 16, description="The log is flushed once it has grown to this."
    )
    dead_letters_max: int = Field(
        100_000, ge=0, description="Dead letters kept; the oldest go, the ledger still counts them."
    )

    host: str = Field("127.0.0.1", description="Address that serving binds to.")
    port: int = Field(8080, ge=0, le=65_535, description="Port that serving binds to; 0 picks one.")
    workers: int = Field(1, ge=1, le=64, description="Serving processes.")
    catch_up_interval_ms: int = Field(
        2, ge=1, le=10_000, description="How often a serving worker looks for a new commit."
    )
    serving_block_cache_bytes: int = Field(
        256 << 20, ge=1 << 20, description="RocksDB block cache of each serving worker."
    )
    stale_after_ms: int = Field(
        5_000, ge=1, description="Staleness labelled `stale` where a view has no freshness_slo."
    )
    request_timeout_ms: int = Field(
        10_000, ge=10, description="Time to send a request and to get its answer."
    )
    body_bytes_max: int = Field(16 << 20, ge=1_024, description="Largest request body.")
    push_events_max: int = Field(100_000, ge=1, description="Most events in one push.")
    lookup_keys_max: int = Field(10_000, ge=1, description="Most keys in one POST lookup.")
    rows_limit_default: int = Field(100, ge=1, description="Rows on a page unless asked for.")
    rows_limit_max: int = Field(10_000, ge=1, description="Most rows on a page.")
    cors_origins: tuple[str, ...] = Field(
        (), description="Origins allowed to call; none by default."
    )
    api_tokens: tuple[str, ...] = Field(
        (), description="Bearer tokens; where there are some, every /v1 request needs one."
    )

    lake_interval_s: float = Field(
        60.0, gt=0, description="Time between Iceberg snapshots of a changed view."
    )
    lake_namespace: str = Field("keyfold", min_length=1, description="Iceberg namespace.")
    lake_catalog: dict[str, str] = Field(
        default_factory=dict,
        description="PyIceberg catalog properties; empty: SQLite and files in the data directory.",
    )
    lake_snapshots_keep: int = Field(
        20, ge=1, description="Snapshots kept per table, the current one included."
    )
    lake_snapshot_age_s_max: float = Field(
        7 * 86_400.0, gt=0, description="Older snapshots are expired, whatever their count."
    )

    restart_backoff_ms_min: int = Field(200, ge=1, description="First wait before a restart.")
    restart_backoff_ms_max: int = Field(10_000, ge=1, description="Longest wait before a restart.")
    drain_timeout_ms: int = Field(
        30_000, ge=100, description="Time a role gets to stop cleanly before it is killed."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then keyfold.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**flags: Any) -> Settings:
    """Return the settings; flags that are None count as not given.

    Raises:
        SettingsError: A setting is unknown or out of its bounds.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as problem:
        first = problem.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"unknown setting {name} in {CONFIG_FILE}",
                hint=did_you_mean(name, Settings.model_fields, _WHERE_LISTED),
            ) from problem
        raise SettingsError(
            f"setting {name}: {first['msg'][:1].lower()}{first['msg'][1:]}, got {first['input']!r}",
            hint=_WHERE_LISTED,
        ) from problem
    except pydantic_settings.SettingsError as problem:  # lists and tables are JSON there
        field = str(problem).partition('"')[2].partition('"')[0]
        raise SettingsError(
            f"the environment variable KEYFOLD_{field.upper()} is no JSON: {problem.__cause__}",
            hint='write lists as \'["a", "b"]\' and tables as \'{"key": "value"}\'',
        ) from problem
    except ValueError as problem:  # keyfold.toml is no TOML
        raise SettingsError(f"{CONFIG_FILE} cannot be read: {problem}") from problem
