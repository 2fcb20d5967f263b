from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stake(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAKE_UNSPECIFIED: _ClassVar[Stake]
    STAKE_SHADOW: _ClassVar[Stake]
    STAKE_BATCH: _ClassVar[Stake]
    STAKE_ADVISE: _ClassVar[Stake]
    STAKE_DECIDE: _ClassVar[Stake]

class Rung(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUNG_UNSPECIFIED: _ClassVar[Rung]
    RUNG_OFF: _ClassVar[Rung]
    RUNG_SHADOW: _ClassVar[Rung]
    RUNG_ADVISE: _ClassVar[Rung]
    RUNG_DECIDE: _ClassVar[Rung]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_NONE: _ClassVar[Source]
    SOURCE_MODEL: _ClassVar[Source]
STAKE_UNSPECIFIED: Stake
STAKE_SHADOW: Stake
STAKE_BATCH: Stake
STAKE_ADVISE: Stake
STAKE_DECIDE: Stake
RUNG_UNSPECIFIED: Rung
RUNG_OFF: Rung
RUNG_SHADOW: Rung
RUNG_ADVISE: Rung
RUNG_DECIDE: Rung
SOURCE_UNSPECIFIED: Source
SOURCE_NONE: Source
SOURCE_MODEL: Source

class DescribeRequest(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    def __init__(self, bundle: _Optional[str] = ...) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ("bundle", "digest", "schema", "columns", "task", "classes", "actions", "features", "rung", "contract", "server")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    RUNG_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    digest: str
    schema: int
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    task: str
    classes: _containers.RepeatedScalarFieldContainer[str]
    actions: _containers.RepeatedScalarFieldContainer[str]
    features: _containers.RepeatedScalarFieldContainer[str]
    rung: Rung
    contract: str
    server: str
    def __init__(self, bundle: _Optional[str] = ..., digest: _Optional[str] = ..., schema: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., task: _Optional[str] = ..., classes: _Optional[_Iterable[str]] = ..., actions: _Optional[_Iterable[str]] = ..., features: _Optional[_Iterable[str]] = ..., rung: _Optional[_Union[Rung, str]] = ..., contract: _Optional[str] = ..., server: _Optional[str] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "nullable", "unit", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    nullable: bool
    unit: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., nullable: _Optional[bool] = ..., unit: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("bundle", "id", "stake", "packed", "named", "timeout_us", "entity")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STAKE_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_US_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    id: str
    stake: Stake
    packed: PackedRow
    named: NamedRow
    timeout_us: int
    entity: str
    def __init__(self, bundle: _Optional[str] = ..., id: _Optional[str] = ..., stake: _Optional[_Union[Stake, str]] = ..., packed: _Optional[_Union[PackedRow, _Mapping]] = ..., named: _Optional[_Union[NamedRow, _Mapping]] = ..., timeout_us: _Optional[int] = ..., entity: _Optional[str] = ...) -> None: ...

class PackedRow(_message.Message):
    __slots__ = ("schema", "values")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    schema: int
    values: bytes
    def __init__(self, schema: _Optional[int] = ..., values: _Optional[bytes] = ...) -> None: ...

class NamedRow(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.MessageMap[str, Value]
    def __init__(self, values: _Optional[_Mapping[str, Value]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("null", "number", "integer", "flag", "text")
    NULL_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    null: bool
    number: float
    integer: int
    flag: bool
    text: str
    def __init__(self, null: _Optional[bool] = ..., number: _Optional[float] = ..., integer: _Optional[int] = ..., flag: _Optional[bool] = ..., text: _Optional[str] = ...) -> None: ...

class ScoreReply(_message.Message):
    __slots__ = ("prediction_id", "score", "scores", "label", "action", "binding", "source", "rung", "reasons", "digest", "timing", "failure")
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RUNG_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    score: float
    scores: _containers.RepeatedScalarFieldContainer[float]
    label: str
    action: str
    binding: bool
    source: Source
    rung: Rung
    reasons: _containers.RepeatedScalarFieldContainer[str]
    digest: str
    timing: Timing
    failure: Failure
    def __init__(self, prediction_id: _Optional[str] = ..., score: _Optional[float] = ..., scores: _Optional[_Iterable[float]] = ..., label: _Optional[str] = ..., action: _Optional[str] = ..., binding: _Optional[bool] = ..., source: _Optional[_Union[Source, str]] = ..., rung: _Optional[_Union[Rung, str]] = ..., reasons: _Optional[_Iterable[str]] = ..., digest: _Optional[str] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_ns", "score_ns", "block_rows")
    QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
    SCORE_NS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_ROWS_FIELD_NUMBER: _ClassVar[int]
    queue_ns: int
    score_ns: int
    block_rows: int
    def __init__(self, queue_ns: _Optional[int] = ..., score_ns: _Optional[int] = ..., block_rows: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message", "retry_after_ms")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    retry_after_ms: int
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("prediction_id", "outcome", "known_at_us", "happened_at_us", "source", "revision", "entity")
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_US_FIELD_NUMBER: _ClassVar[int]
    HAPPENED_AT_US_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    outcome: Value
    known_at_us: int
    happened_at_us: int
    source: str
    revision: int
    entity: str
    def __init__(self, prediction_id: _Optional[str] = ..., outcome: _Optional[_Union[Value, _Mapping]] = ..., known_at_us: _Optional[int] = ..., happened_at_us: _Optional[int] = ..., source: _Optional[str] = ..., revision: _Optional[int] = ..., entity: _Optional[str] = ...) -> None: ...

class ReportReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
