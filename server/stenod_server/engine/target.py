"""One Triton: its one long-lived channel, the calls we make of it, and what is known of its health."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import grpc
import structlog
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stenod_models import contract
from stenod_server.domain.audio import to_seconds
from stenod_server.engine.failures import died, is_useless, stub_is_gone, translated
from stenod_server.engine.pace import Pace
from stenod_server.engine.strikes import Strikes
from stenod_server.engine.voices_wire import decode_voices, encode_voices
from stenod_server.engine.wire import decode_window, encode_window
from stenod_server.errors import ContractViolation, EngineUnavailable, ModelNotFound, StenodError
from stenod_server.ports import (
    Int16Audio,
    ModelProfile,
    RecognitionRequest,
    VoiceProfile,
    WindowResult,
    WindowVoices,
)
from stenod_server.telemetry.tracing import outgoing

MAX_MESSAGE_BYTES: Final = 64 * 2**20  # of one window or its answer; Triton itself sets no limit
CONTROL_TIMEOUT_S: Final = 10.0  # of every call but recognition
_INFER_METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Notices a peer that vanished without a FIN. Only while calls are in flight, and no oftener than Triton's default
    # of one ping in 5 minutes without data tolerates while an answer is awaited.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # Otherwise a new channel to an old address inherits the wait that an earlier channel's failures earned.
    ("grpc.use_local_subchannel_pool", 1),
    # A Triton that comes back is found within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

_log = structlog.get_logger()


class Health(StrEnum):
    """What the last check of a Triton, or the last window sent to it, says."""

    UNCHECKED = "UNCHECKED"  # gets no windows before its canaries were heard
    GOOD = "GOOD"
    SUSPECT = "SUSPECT"  # a window failed since; gets windows only where no other is GOOD
    ASIDE = "ASIDE"  # failed its check; gets none until it passes one


@dataclass(frozen=True, slots=True)
class Loaded:
    """The models of a Triton that say what they are, by name; others (an encoder of an ensemble, say) serve nobody, and
    so does a model of voices that is `broken`: its profile cannot be read, or it failed the last check.
    """

    recognisers: Mapping[str, ModelProfile]
    voices: Mapping[str, VoiceProfile]
    broken: Mapping[str, StenodError] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return sorted({*self.recognisers, *self.voices})


@dataclass(frozen=True, slots=True)
class TritonIdentity:
    name: str
    version: str


class Target:
    """Written by the event loop alone. `in_flight`, `answered` and `failed` count windows, canaries not among them."""

    def __init__(self, url: str, headers: Mapping[str, str], *, control_timeout_s: float = CONTROL_TIMEOUT_S) -> None:
        self.url = url
        self.health = Health.UNCHECKED
        self.problem: StenodError | None = None
        self.in_flight = self.answered = self.failed = 0
        self.is_leaving = False  # it is not named any more: it finishes what it has, and gets no window
        self.idle = asyncio.Event()
        self.idle.set()
        self.strikes = Strikes()
        self.loaded = Loaded({}, {})
        self.pace = Pace()
        self.doubted = asyncio.Event()  # wakes the watch
        self._calls: dict[Any, StenodError | None] = {}  # in flight, and why they were given up
        self._restarted: asyncio.Task[None] | None = None  # since a process that runs a model died; else None
        self._control_timeout_s = control_timeout_s
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._channel = grpc.aio.insecure_channel(url, options=_CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        # The generated stub would serialise a message; the request is bytes already (wire.py says why).
        self._infer: Any = self._channel.unary_unary(
            _INFER_METHOD, request_serializer=None, response_deserializer=service_pb2.ModelInferResponse.FromString
        )

    @property
    def is_healthy(self) -> bool:
        """Whether it may get windows at all."""
        return self.health in {Health.GOOD, Health.SUSPECT} and not self.is_leaving

    @property
    def is_trusted(self) -> bool:
        """Whether nothing speaks against it."""
        return self.health is Health.GOOD and not self.is_leaving and not self.strikes.are_out

    @contextmanager
    def window(self) -> Iterator[None]:
        """Around a window that is sent here."""
        self.in_flight += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self.idle.set()

    def doubt(self, problem: StenodError) -> None:
        """A window failed in a way that says something of this Triton: check it soon. One that died, stops or cannot be
        reached gets no other window before it was checked.
        """
        if is_useless(problem):
            if self.health is not Health.ASIDE:
                _log.warning("triton_put_aside", url=self.url, reason=problem.reason, problem=problem.message)
            self.health, self.problem = Health.ASIDE, problem
            if stub_is_gone(problem) and not self.is_maimed:
                breaks = self._channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
                self._restarted = asyncio.create_task(breaks, name=f"restart of {self.url}")
        else:
            if self.health is Health.GOOD:
                self.health = Health.SUSPECT
            if self.strikes.failed():
                _log.warning("triton_fails_windows", url=self.url, reason=problem.reason, problem=problem.message)
        self.failed += 1
        self.doubted.set()

    def falls_behind(self) -> None:
        """A window was taken to another Triton, which answered first. Cancelled windows are in flight no more, while
        their batch goes on: without this, who is slow would look idle.
        """
        if self.strikes.failed():
            _log.warning("triton_falls_behind", url=self.url)

    def trust(self) -> None:
        """A window was answered."""
        self.answered += 1
        self.strikes.succeeded()

    def give_up(self, problem: StenodError) -> None:
        """End the windows in flight: nothing good comes of them any more. They died of it where it did."""
        for call in self._calls:
            self._calls[call] = problem
            call.cancel()

    @property
    def is_maimed(self) -> bool:
        """Whether a process that runs a model died, and this Triton has not been restarted since. It says that it is
        ready all the same, and the canary may be heard by another instance of the model.
        """
        return self._restarted is not None and not self._restarted.done()

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """As `ports.Engine.recognise`. When the task is cancelled, so is the request inside Triton."""
        message = encode_window(audio, request, timeout_s=timeout_s)
        with self.pace.window(to_seconds(len(audio)), request.model):
            response = await self._answer(message, request.model, timeout_s)
        return decode_window(response, length_samples=len(audio))

    async def voices(
        self, audio: Int16Audio, profile: VoiceProfile, *, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        """As `ports.Engine.voices`, otherwise as `recognise`."""
        message = encode_voices(audio, profile.model, interactive=interactive, timeout_s=timeout_s)
        with self.pace.window(to_seconds(len(audio)), profile.model):
            response = await self._answer(message, profile.model, timeout_s)
        return decode_voices(response, length_samples=len(audio), dimensions=profile.dimensions)

    async def _answer(self, message: bytes, model: str, timeout_s: float) -> Any:
        try:
            with translated(self.url, model):
                call = self._infer(message, timeout=timeout_s, metadata=(*self._metadata, *outgoing()))
                self._calls[call] = None
                return await call
        except ModelNotFound as error:
            if model not in self.loaded.names:
                raise
            # It was there at the last check: this Triton is stopping, or lost it. Another one, or a later try, has it.
            raise EngineUnavailable(f"Triton at {self.url} does not have {model} any more", absent=True) from error
        except EngineUnavailable as error:
            problem = self._calls.get(call)
            if problem is None:
                raise
            why = f"Triton at {self.url} was given up: {problem.message}"
            raise EngineUnavailable(why, died=died(problem), url=self.url) from error
        finally:
            self._calls.pop(call, None)

    async def identity(self) -> TritonIdentity:
        metadata = await self._call(self._stub.ServerMetadata, service_pb2.ServerMetadataRequest())
        return TritonIdentity(metadata.name, metadata.version)

    async def is_ready(self) -> bool:
        """Strict readiness: every model that was to be loaded is. Raises EngineUnavailable, WindowTimeout."""
        return bool((await self._call(self._stub.ServerReady, service_pb2.ServerReadyRequest())).ready)

    async def read_loaded(self) -> Loaded:
        # The statistics list what is loaded, as the repository index does, but are open where that one is restricted.
        answer = await self._call(self._stub.ModelStatistics, service_pb2.ModelStatisticsRequest())
        names = sorted({model.name for model in answer.model_stats})
        found = await asyncio.gather(*(self._profile(name) for name in names))
        return Loaded(
            recognisers={one.model: one for one in found if isinstance(one, ModelProfile)},
            voices={one.model: one for one in found if isinstance(one, VoiceProfile)},
            broken={name: one for name, one in zip(names, found, strict=True) if isinstance(one, ContractViolation)},
        )

    async def executions_by_batch_size(self) -> Mapping[int, int]:
        """How often Triton ran a batch of each size since it started, over all models."""
        answer = await self._call(self._stub.ModelStatistics, service_pb2.ModelStatisticsRequest())
        counts: dict[int, int] = {}
        for model in answer.model_stats:
            for batch in model.batch_stats:
                counts[batch.batch_size] = counts.get(batch.batch_size, 0) + batch.compute_infer.count
        return counts

    async def close(self) -> None:
        if self._restarted is not None:
            self._restarted.cancel()
            await asyncio.gather(self._restarted, return_exceptions=True)
        await self._channel.close()

    async def _profile(self, name: str) -> ModelProfile | VoiceProfile | ContractViolation | None:
        """Raises ContractViolation of a recogniser's profile alone, and gives it of one of voices."""
        answer = await self._call(self._stub.ModelConfig, service_pb2.ModelConfigRequest(name=name))
        parameters = answer.config.parameters
        try:
            if contract.PROFILE_PARAMETER in parameters:
                text = parameters[contract.PROFILE_PARAMETER].string_value
                return _model_profile(name, contract.Profile.from_json(text))
            if contract.VOICES_PROFILE_PARAMETER in parameters:
                text = parameters[contract.VOICES_PROFILE_PARAMETER].string_value
                return _voice_profile(name, contract.VoicesProfile.from_json(text))
        except (TypeError, ValueError) as error:
            problem = ContractViolation(f"the profile of {name} at {self.url} cannot be read: {error}")
            if contract.PROFILE_PARAMETER not in parameters:
                return problem
            raise problem from error
        return None

    async def _call(self, method: Any, request: Any) -> Any:
        with translated(self.url):
            return await method(request, timeout=self._control_timeout_s, metadata=self._metadata)


def _model_profile(name: str, profile: contract.Profile) -> ModelProfile:
    return ModelProfile(
        model=name,
        family=profile.family,
        languages=profile.languages,
        window_target_samples=profile.window_target_samples,
        window_max_samples=profile.window_max_samples,
        length_buckets_samples=profile.length_buckets_samples,
        max_batch_size=profile.max_batch_size,
        instances=profile.instances,
        tasks=profile.tasks,
        operating_points=profile.operating_points,
        default_engines=profile.default_engines,
        revision=profile.revision,
        identifies_languages=profile.identifies_languages,
        max_beam_size=profile.max_beam_size,
        takes_hotwords=profile.takes_hotwords,
        takes_prompt=profile.takes_prompt,
        takes_mark_bias=profile.takes_mark_bias,
        writes_marks=profile.writes_marks,
        writes_capitals=profile.writes_capitals,
    )


def _voice_profile(name: str, profile: contract.VoicesProfile) -> VoiceProfile:
    return VoiceProfile(
        model=name,
        family=profile.family,
        window_max_samples=profile.window_max_samples,
        dimensions=profile.dimensions,
        max_batch_size=profile.max_batch_size,
        instances=profile.instances,
        revision=profile.revision,
    )
