"""What a caller needs for each method: one table. A method that is not in it is refused to everybody."""

from collections.abc import Mapping
from typing import Final

from stenod_server.domain.access import Scope

_OF_STENOD: Final[Mapping[str, Scope]] = {
    "SubmitJob": Scope.SUBMIT,
    "Transcribe": Scope.SUBMIT,
    "CancelJob": Scope.SUBMIT,
    "DeleteJob": Scope.SUBMIT,
    "UploadMedia": Scope.SUBMIT,
    "GetUpload": Scope.SUBMIT,  # part of uploading: it says where a broken upload goes on
    "GetJob": Scope.READ,
    "WatchJob": Scope.READ,
    "ListJobs": Scope.READ,
    "GetTranscript": Scope.READ,
    "GetCapacity": Scope.READ,
    "WatchCapacity": Scope.READ,
    "ListModels": Scope.READ,
}

# By the full name of the method; None: open to everybody.
SCOPES: Final[Mapping[str, Scope | None]] = {
    **{f"/stenod.v1.TranscriptionService/{name}": scope for name, scope in _OF_STENOD.items()},
    # Probes and load balancers have no credentials, and are told nothing but yes or no.
    "/grpc.health.v1.Health/Check": None,
    "/grpc.health.v1.Health/List": Scope.READ,
    "/grpc.health.v1.Health/Watch": Scope.READ,  # a stream for anybody would be a place to hold for anybody
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Scope.READ,
}

# What changes something, or tries to: recorded in the audit log however it ends.
CHANGING: Final = frozenset({"SubmitJob", "Transcribe", "CancelJob", "DeleteJob", "UploadMedia"})
