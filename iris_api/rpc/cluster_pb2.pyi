from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Resources(_message.Message):
    __slots__ = ("cpu", "memory")
    CPU_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    cpu: float
    memory: int
    def __init__(self, cpu: _Optional[float] = ..., memory: _Optional[int] = ...) -> None: ...

class Constraint(_message.Message):
    __slots__ = ("key", "op", "values")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    key: str
    op: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, key: _Optional[str] = ..., op: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class Environment(_message.Message):
    __slots__ = ("env_vars", "bundle", "image", "pip_packages", "extras", "python_packages_from")
    class EnvVarsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENV_VARS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PIP_PACKAGES_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    PYTHON_PACKAGES_FROM_FIELD_NUMBER: _ClassVar[int]
    env_vars: _containers.ScalarMap[str, str]
    bundle: str
    image: str
    pip_packages: _containers.RepeatedScalarFieldContainer[str]
    extras: _containers.RepeatedScalarFieldContainer[str]
    python_packages_from: str
    def __init__(self, env_vars: _Optional[_Mapping[str, str]] = ..., bundle: _Optional[str] = ..., image: _Optional[str] = ..., pip_packages: _Optional[_Iterable[str]] = ..., extras: _Optional[_Iterable[str]] = ..., python_packages_from: _Optional[str] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("argv",)
    ARGV_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, argv: _Optional[_Iterable[str]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("call", "command", "python")
    CALL_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    call: bytes
    command: Command
    python: str
    def __init__(self, call: _Optional[bytes] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., python: _Optional[str] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("name", "entry", "resources", "environment", "replicas", "ports", "constraints", "max_retries_failure", "max_retries_preemption", "max_task_failures", "timeout", "scheduling_timeout", "priority", "coscheduling", "refill_after")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FAILURE_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_PREEMPTION_FIELD_NUMBER: _ClassVar[int]
    MAX_TASK_FAILURES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SCHEDULING_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    COSCHEDULING_FIELD_NUMBER: _ClassVar[int]
    REFILL_AFTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    entry: Entry
    resources: Resources
    environment: Environment
    replicas: int
    ports: _containers.RepeatedScalarFieldContainer[str]
    constraints: _containers.RepeatedCompositeFieldContainer[Constraint]
    max_retries_failure: int
    max_retries_preemption: int
    max_task_failures: int
    timeout: float
    scheduling_timeout: float
    priority: int
    coscheduling: Coscheduling
    refill_after: float
    def __init__(self, name: _Optional[str] = ..., entry: _Optional[_Union[Entry, _Mapping]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., environment: _Optional[_Union[Environment, _Mapping]] = ..., replicas: _Optional[int] = ..., ports: _Optional[_Iterable[str]] = ..., constraints: _Optional[_Iterable[_Union[Constraint, _Mapping]]] = ..., max_retries_failure: _Optional[int] = ..., max_retries_preemption: _Optional[int] = ..., max_task_failures: _Optional[int] = ..., timeout: _Optional[float] = ..., scheduling_timeout: _Optional[float] = ..., priority: _Optional[int] = ..., coscheduling: _Optional[_Union[Coscheduling, _Mapping]] = ..., refill_after: _Optional[float] = ...) -> None: ...

class Coscheduling(_message.Message):
    __slots__ = ("group_by",)
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    group_by: str
    def __init__(self, group_by: _Optional[str] = ...) -> None: ...

class Cause(_message.Message):
    __slots__ = ("kind", "message", "exit_code", "signal", "memory_peak", "by", "last_lines")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_PEAK_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    LAST_LINES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    exit_code: int
    signal: int
    memory_peak: int
    by: str
    last_lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., memory_peak: _Optional[int] = ..., by: _Optional[str] = ..., last_lines: _Optional[_Iterable[str]] = ...) -> None: ...

class AttemptStatus(_message.Message):
    __slots__ = ("uid", "number", "state", "worker_id", "assigned", "started", "finished", "cause", "after")
    UID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    uid: str
    number: int
    state: str
    worker_id: str
    assigned: float
    started: float
    finished: float
    cause: Cause
    after: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, uid: _Optional[str] = ..., number: _Optional[int] = ..., state: _Optional[str] = ..., worker_id: _Optional[str] = ..., assigned: _Optional[float] = ..., started: _Optional[float] = ..., finished: _Optional[float] = ..., cause: _Optional[_Union[Cause, _Mapping]] = ..., after: _Optional[_Iterable[str]] = ...) -> None: ...

class TaskStatus(_message.Message):
    __slots__ = ("task_id", "index", "state", "pending_reason", "attempts", "cause")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PENDING_REASON_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    index: int
    state: str
    pending_reason: str
    attempts: _containers.RepeatedCompositeFieldContainer[AttemptStatus]
    cause: Cause
    def __init__(self, task_id: _Optional[str] = ..., index: _Optional[int] = ..., state: _Optional[str] = ..., pending_reason: _Optional[str] = ..., attempts: _Optional[_Iterable[_Union[AttemptStatus, _Mapping]]] = ..., cause: _Optional[_Union[Cause, _Mapping]] = ...) -> None: ...

class JobStatus(_message.Message):
    __slots__ = ("job_id", "name", "state", "submitted", "started", "finished", "cause", "pending_reason", "task_counts", "tasks", "replicas", "priority", "user")
    class TaskCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    PENDING_REASON_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    name: str
    state: str
    submitted: float
    started: float
    finished: float
    cause: Cause
    pending_reason: str
    task_counts: _containers.ScalarMap[str, int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskStatus]
    replicas: int
    priority: int
    user: str
    def __init__(self, job_id: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[str] = ..., submitted: _Optional[float] = ..., started: _Optional[float] = ..., finished: _Optional[float] = ..., cause: _Optional[_Union[Cause, _Mapping]] = ..., pending_reason: _Optional[str] = ..., task_counts: _Optional[_Mapping[str, int]] = ..., tasks: _Optional[_Iterable[_Union[TaskStatus, _Mapping]]] = ..., replicas: _Optional[int] = ..., priority: _Optional[int] = ..., user: _Optional[str] = ...) -> None: ...

class SubmitJobRequest(_message.Message):
    __slots__ = ("spec", "parent", "parent_attempt", "existing", "request_id", "user")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PARENT_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EXISTING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    parent: str
    parent_attempt: str
    existing: str
    request_id: str
    user: str
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., parent: _Optional[str] = ..., parent_attempt: _Optional[str] = ..., existing: _Optional[str] = ..., request_id: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class SubmitJobReply(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id", "with_tasks", "until_finished", "hold_ms")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_TASKS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FINISHED_FIELD_NUMBER: _ClassVar[int]
    HOLD_MS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    with_tasks: bool
    until_finished: bool
    hold_ms: int
    def __init__(self, job_id: _Optional[str] = ..., with_tasks: _Optional[bool] = ..., until_finished: _Optional[bool] = ..., hold_ms: _Optional[int] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("states", "prefix", "limit")
    STATES_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[str]
    prefix: str
    limit: int
    def __init__(self, states: _Optional[_Iterable[str]] = ..., prefix: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListJobsReply(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobStatus]
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobStatus, _Mapping]]] = ...) -> None: ...

class TerminateJobsRequest(_message.Message):
    __slots__ = ("job_ids", "by")
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    by: str
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ..., by: _Optional[str] = ...) -> None: ...

class TerminateJobsReply(_message.Message):
    __slots__ = ("terminated",)
    TERMINATED_FIELD_NUMBER: _ClassVar[int]
    terminated: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, terminated: _Optional[_Iterable[str]] = ...) -> None: ...

class Prospect(_message.Message):
    __slots__ = ("indexes", "state", "worker_id", "preempts", "reason", "remedy", "pools")
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PREEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    indexes: _containers.RepeatedScalarFieldContainer[int]
    state: str
    worker_id: str
    preempts: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    remedy: str
    pools: _containers.RepeatedCompositeFieldContainer[PoolProspect]
    def __init__(self, indexes: _Optional[_Iterable[int]] = ..., state: _Optional[str] = ..., worker_id: _Optional[str] = ..., preempts: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., remedy: _Optional[str] = ..., pools: _Optional[_Iterable[_Union[PoolProspect, _Mapping]]] = ...) -> None: ...

class PoolProspect(_message.Message):
    __slots__ = ("pool", "workers", "matching", "large_enough", "with_room")
    POOL_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    MATCHING_FIELD_NUMBER: _ClassVar[int]
    LARGE_ENOUGH_FIELD_NUMBER: _ClassVar[int]
    WITH_ROOM_FIELD_NUMBER: _ClassVar[int]
    pool: str
    workers: int
    matching: int
    large_enough: int
    with_room: int
    def __init__(self, pool: _Optional[str] = ..., workers: _Optional[int] = ..., matching: _Optional[int] = ..., large_enough: _Optional[int] = ..., with_room: _Optional[int] = ...) -> None: ...

class ExplainJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ExplainJobReply(_message.Message):
    __slots__ = ("job", "tasks")
    JOB_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    job: JobStatus
    tasks: _containers.RepeatedCompositeFieldContainer[Prospect]
    def __init__(self, job: _Optional[_Union[JobStatus, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[Prospect, _Mapping]]] = ...) -> None: ...

class PlanJobReply(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Prospect]
    def __init__(self, tasks: _Optional[_Iterable[_Union[Prospect, _Mapping]]] = ...) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("worker_id", "pool", "state", "total", "used", "attempts", "last_seen_seconds", "attributes", "version", "advertise_host")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ADVERTISE_HOST_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    pool: str
    state: str
    total: Resources
    used: Resources
    attempts: int
    last_seen_seconds: float
    attributes: _containers.ScalarMap[str, str]
    version: str
    advertise_host: str
    def __init__(self, worker_id: _Optional[str] = ..., pool: _Optional[str] = ..., state: _Optional[str] = ..., total: _Optional[_Union[Resources, _Mapping]] = ..., used: _Optional[_Union[Resources, _Mapping]] = ..., attempts: _Optional[int] = ..., last_seen_seconds: _Optional[float] = ..., attributes: _Optional[_Mapping[str, str]] = ..., version: _Optional[str] = ..., advertise_host: _Optional[str] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListWorkersReply(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerStatus]
    def __init__(self, workers: _Optional[_Iterable[_Union[WorkerStatus, _Mapping]]] = ...) -> None: ...

class GetClusterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetClusterReply(_message.Message):
    __slots__ = ("name", "version", "started")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    started: float
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., started: _Optional[float] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("timestamp_us", "source", "data")
    TIMESTAMP_US_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    timestamp_us: int
    source: str
    data: str
    def __init__(self, timestamp_us: _Optional[int] = ..., source: _Optional[str] = ..., data: _Optional[str] = ...) -> None: ...

class FetchLogsRequest(_message.Message):
    __slots__ = ("task_id", "attempt_uid", "cursor", "limit", "hold_ms")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_UID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HOLD_MS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    attempt_uid: str
    cursor: str
    limit: int
    hold_ms: int
    def __init__(self, task_id: _Optional[str] = ..., attempt_uid: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ..., hold_ms: _Optional[int] = ...) -> None: ...

class FetchLogsReply(_message.Message):
    __slots__ = ("entries", "cursor", "ended")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LogEntry]
    cursor: str
    ended: bool
    def __init__(self, entries: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ..., cursor: _Optional[str] = ..., ended: _Optional[bool] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("uid", "name", "address", "attempt_uid", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_UID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    uid: str
    name: str
    address: str
    attempt_uid: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, uid: _Optional[str] = ..., name: _Optional[str] = ..., address: _Optional[str] = ..., attempt_uid: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RegisterEndpointRequest(_message.Message):
    __slots__ = ("endpoint", "lease_seconds")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    endpoint: Endpoint
    lease_seconds: float
    def __init__(self, endpoint: _Optional[_Union[Endpoint, _Mapping]] = ..., lease_seconds: _Optional[float] = ...) -> None: ...

class RegisterEndpointReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RenewEndpointsRequest(_message.Message):
    __slots__ = ("uids", "lease_seconds")
    UIDS_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    uids: _containers.RepeatedScalarFieldContainer[str]
    lease_seconds: float
    def __init__(self, uids: _Optional[_Iterable[str]] = ..., lease_seconds: _Optional[float] = ...) -> None: ...

class RenewEndpointsReply(_message.Message):
    __slots__ = ("unknown",)
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, unknown: _Optional[_Iterable[str]] = ...) -> None: ...

class UnregisterEndpointsRequest(_message.Message):
    __slots__ = ("uids",)
    UIDS_FIELD_NUMBER: _ClassVar[int]
    uids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, uids: _Optional[_Iterable[str]] = ...) -> None: ...

class UnregisterEndpointsReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListEndpointsRequest(_message.Message):
    __slots__ = ("name", "prefix", "known_version", "hold_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    HOLD_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    prefix: str
    known_version: int
    hold_ms: int
    def __init__(self, name: _Optional[str] = ..., prefix: _Optional[str] = ..., known_version: _Optional[int] = ..., hold_ms: _Optional[int] = ...) -> None: ...

class ListEndpointsReply(_message.Message):
    __slots__ = ("endpoints", "version")
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    endpoints: _containers.RepeatedCompositeFieldContainer[Endpoint]
    version: int
    def __init__(self, endpoints: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., version: _Optional[int] = ...) -> None: ...

class WorkerDescription(_message.Message):
    __slots__ = ("pool", "slice", "resources", "attributes", "advertise_host", "version")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    POOL_FIELD_NUMBER: _ClassVar[int]
    SLICE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ADVERTISE_HOST_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    pool: str
    slice: str
    resources: Resources
    attributes: _containers.ScalarMap[str, str]
    advertise_host: str
    version: str
    def __init__(self, pool: _Optional[str] = ..., slice: _Optional[str] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., advertise_host: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Exit(_message.Message):
    __slots__ = ("kind", "code", "signal", "memory_peak", "message", "of_job")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_PEAK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OF_JOB_FIELD_NUMBER: _ClassVar[int]
    kind: str
    code: int
    signal: int
    memory_peak: int
    message: str
    of_job: bool
    def __init__(self, kind: _Optional[str] = ..., code: _Optional[int] = ..., signal: _Optional[int] = ..., memory_peak: _Optional[int] = ..., message: _Optional[str] = ..., of_job: _Optional[bool] = ...) -> None: ...

class ObservedAttempt(_message.Message):
    __slots__ = ("uid", "state", "exit", "stopped", "last_lines", "started")
    UID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    LAST_LINES_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    uid: str
    state: str
    exit: Exit
    stopped: bool
    last_lines: _containers.RepeatedScalarFieldContainer[str]
    started: float
    def __init__(self, uid: _Optional[str] = ..., state: _Optional[str] = ..., exit: _Optional[_Union[Exit, _Mapping]] = ..., stopped: _Optional[bool] = ..., last_lines: _Optional[_Iterable[str]] = ..., started: _Optional[float] = ...) -> None: ...

class RunSpec(_message.Message):
    __slots__ = ("job_id", "task_id", "task_index", "num_tasks", "entry", "resources", "environment", "ports")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_INDEX_FIELD_NUMBER: _ClassVar[int]
    NUM_TASKS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    task_id: str
    task_index: int
    num_tasks: int
    entry: Entry
    resources: Resources
    environment: Environment
    ports: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_id: _Optional[str] = ..., task_id: _Optional[str] = ..., task_index: _Optional[int] = ..., num_tasks: _Optional[int] = ..., entry: _Optional[_Union[Entry, _Mapping]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., environment: _Optional[_Union[Environment, _Mapping]] = ..., ports: _Optional[_Iterable[str]] = ...) -> None: ...

class DesiredAttempt(_message.Message):
    __slots__ = ("uid", "run")
    UID_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    uid: str
    run: RunSpec
    def __init__(self, uid: _Optional[str] = ..., run: _Optional[_Union[RunSpec, _Mapping]] = ...) -> None: ...

class ReconcileRequest(_message.Message):
    __slots__ = ("worker_id", "incarnation", "sequence", "worker", "attempts", "known_revision", "hold_ms", "report_only", "leaving", "cluster")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_REVISION_FIELD_NUMBER: _ClassVar[int]
    HOLD_MS_FIELD_NUMBER: _ClassVar[int]
    REPORT_ONLY_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    incarnation: str
    sequence: int
    worker: WorkerDescription
    attempts: _containers.RepeatedCompositeFieldContainer[ObservedAttempt]
    known_revision: int
    hold_ms: int
    report_only: bool
    leaving: bool
    cluster: str
    def __init__(self, worker_id: _Optional[str] = ..., incarnation: _Optional[str] = ..., sequence: _Optional[int] = ..., worker: _Optional[_Union[WorkerDescription, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[ObservedAttempt, _Mapping]]] = ..., known_revision: _Optional[int] = ..., hold_ms: _Optional[int] = ..., report_only: _Optional[bool] = ..., leaving: _Optional[bool] = ..., cluster: _Optional[str] = ...) -> None: ...

class ReconcileReply(_message.Message):
    __slots__ = ("revision", "attempts", "cluster", "worker_id", "incarnation", "worker_grace", "absence")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    WORKER_GRACE_FIELD_NUMBER: _ClassVar[int]
    ABSENCE_FIELD_NUMBER: _ClassVar[int]
    revision: int
    attempts: _containers.RepeatedCompositeFieldContainer[DesiredAttempt]
    cluster: str
    worker_id: str
    incarnation: str
    worker_grace: float
    absence: float
    def __init__(self, revision: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[DesiredAttempt, _Mapping]]] = ..., cluster: _Optional[str] = ..., worker_id: _Optional[str] = ..., incarnation: _Optional[str] = ..., worker_grace: _Optional[float] = ..., absence: _Optional[float] = ...) -> None: ...

class AppendLogsRequest(_message.Message):
    __slots__ = ("attempt_uid", "task_id", "first", "cluster", "count", "lines")
    ATTEMPT_UID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    attempt_uid: str
    task_id: str
    first: int
    cluster: str
    count: int
    lines: bytes
    def __init__(self, attempt_uid: _Optional[str] = ..., task_id: _Optional[str] = ..., first: _Optional[int] = ..., cluster: _Optional[str] = ..., count: _Optional[int] = ..., lines: _Optional[bytes] = ...) -> None: ...

class AppendLogsReply(_message.Message):
    __slots__ = ("next",)
    NEXT_FIELD_NUMBER: _ClassVar[int]
    next: int
    def __init__(self, next: _Optional[int] = ...) -> None: ...
