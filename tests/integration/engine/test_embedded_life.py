"""Start, READY, stop; what is refused at the start; what the running child lets in."""

import asyncio
import json
import os
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import grpc
import psutil
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stenod_server.engine import processes
from stenod_server.engine.embedded import EmbeddedTriton, TritonState
from stenod_server.engine.launcher import free_port
from stenod_server.engine.processes import PidRecord
from stenod_server.engine.watch import WatchOptions
from stenod_server.errors import EngineUnavailable, TritonFailed
from tests.integration.engine.conftest import MakeTriton, OwnTriton, recognise
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy
from tests.support.triton import SLEEPER, write_canary


def _shared_memory(server_id: str) -> list[Path]:
    return list(Path("/dev/shm").glob(f"{server_id}*"))


def _living_members(group: int) -> set[int]:
    """Who is in the process group. A stub that was killed is a zombie until the machine's init has reaped it."""
    return {
        process.pid
        for process in psutil.process_iter(["status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and _group_of(process.pid) == group
    }


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


async def test_a_start_goes_through_its_states_and_a_stop_leaves_no_process(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False, nice=3)
    children = psutil.Process().children()
    phases: list[tuple[str, float]] = []
    await own.embedded.start(lambda phase, ratio: phases.append((phase, ratio)))
    assert [ratio for _, ratio in phases] == sorted(ratio for _, ratio in phases)
    assert phases[-1] == ("ready", 1.0)
    assert len((await recognise(own.embedded.engine, seconds=3)).words) == 3
    server_id, pids, group = own.server_id, own.processes(), own.embedded.pid
    assert len(pids) == 2  # the server and the sleeper's stub
    assert _living_members(group) == set(pids)
    assert {psutil.Process(pid).nice() for pid in pids} == {psutil.Process().nice() + 3}

    await own.embedded.stop()
    assert _living_members(group) == set()
    assert psutil.Process().children() == children
    assert processes.find(server_id) == []
    assert _shared_memory(server_id) == []
    assert own.server_id == ""
    assert own.states == [TritonState.STARTING, TritonState.READY, TritonState.STOPPED]
    with pytest.raises(EngineUnavailable, match="not running"):
        await recognise(own.embedded.engine)


async def test_triton_stays_in_the_session_where_its_niceness_counts(make_triton: MakeTriton) -> None:
    own = await make_triton()
    assert {os.getsid(pid) for pid in own.processes()} == {os.getsid(0)}
    assert os.getpgid(own.embedded.pid) == own.embedded.pid != os.getpgid(0)  # of a Ctrl-C it hears nothing


async def test_it_is_known_how_long_its_threads_waited_for_a_processor(sleeper_triton: EmbeddedTriton) -> None:
    waits_s = sleeper_triton._waits_s()
    assert sleeper_triton.pid in waits_s
    assert len(waits_s) > 2  # the threads of the server and of the stub
    assert all(waited_s >= 0.0 for waited_s in waits_s.values())
    assert any(waits_s.values())


async def test_a_window_in_flight_finishes_before_a_stop(make_triton: MakeTriton) -> None:
    own = await make_triton(fixed_ms=1000, watch=WatchOptions())
    (own.marks / "sleeping").unlink()  # of the canary
    window = asyncio.create_task(recognise(own.embedded.engine, seconds=2))
    await eventually((own.marks / "sleeping").exists)
    await own.embedded.stop()
    assert len((await window).words) == 2


async def test_a_window_that_outlasts_the_grace_is_cut_off(make_triton: MakeTriton) -> None:
    own = await make_triton(grace_s=0.2)
    window = asyncio.create_task(recognise(own.embedded.engine, language="x-wait"))
    await eventually((own.marks / "waiting").exists)
    server_id = own.server_id
    await own.embedded.stop()
    assert processes.find(server_id) == []
    with pytest.raises(EngineUnavailable):
        await window


async def test_it_can_be_started_again(make_triton: MakeTriton) -> None:
    own = await make_triton()
    await own.embedded.stop()
    await own.embedded.start()
    assert own.embedded.state is TritonState.READY
    await recognise(own.embedded.engine)


async def test_a_start_that_is_cancelled_leaves_no_process(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    starting = asyncio.create_task(own.embedded.start())
    await eventually(lambda: own.processes() != [])
    server_id = own.server_id
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert processes.find(server_id) == []
    assert own.embedded.state is TritonState.STOPPED


async def test_a_recogniser_that_hears_other_words_is_never_ready(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    write_canary(own.root / "models" / SLEEPER, 16_000, ["quite", "other", "words"])
    wrong = EmbeddedTriton(own.embedded.settings, on_state=own.states.append)
    with pytest.raises(TritonFailed, match=r"fails its canary.*instead of 'quite other words'"):
        await wrong.start()
    assert own.states == [TritonState.STARTING, TritonState.STOPPED]
    assert not wrong.engine.is_ready()
    assert own.processes() == []


async def test_a_model_that_does_not_load_says_why(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    (own.root / "models" / SLEEPER / "1" / "model.py").write_text("raise RuntimeError('no weights here')\n")
    with pytest.raises(TritonFailed, match="no weights here"):
        await own.embedded.start()


DIES = "os._exit(1)"
HANGS = (
    "os.write(2, b'boost::interprocess::lock_exception\\n'); time.sleep(1000.0)"  # what a stub says that cannot go on
)


@pytest.mark.parametrize("ends", [DIES, HANGS], ids=["dies", "hangs"])
async def test_a_start_that_loses_a_models_process_is_made_anew(make_triton: MakeTriton, ends: str) -> None:
    own = await make_triton(start=False)
    _while_loading(own, f"if not (self._marks / 'again').exists(): (self._marks / 'again').touch(); {ends}")
    await own.embedded.start()
    assert own.states == [TritonState.STARTING, TritonState.READY]
    assert len((await recognise(own.embedded.engine, seconds=3)).words) == 3
    assert len(own.processes()) == 2


async def test_a_model_whose_process_dies_in_every_start_is_given_up(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    _while_loading(own, DIES)
    with pytest.raises(TritonFailed, match=r"Stub process 'sleeper_0_0' is not healthy.*3 starts in turn"):
        await own.embedded.start()
    assert own.processes() == []


def _while_loading(own: OwnTriton, statement: str) -> None:
    """Has the sleeper's process do that before it has loaded."""
    model = own.root / "models" / SLEEPER / "1" / "model.py"
    text = model.read_text()
    marks = '        self._marks = Path(parameters["marks"])\n'
    assert marks in text
    model.write_text(text.replace(marks, f"{marks}        {statement}\n"))


async def test_a_recogniser_that_fails_every_window_is_never_ready(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    model = own.root / "models" / SLEEPER / "1" / "model.py"
    model.write_text(model.read_text().replace("lengths = [", "raise RuntimeError('no luck')\n        lengths = ["))
    with pytest.raises(TritonFailed, match=r"Triton runs, but not as it should.*no luck"):
        await own.embedded.start()
    assert own.states == [TritonState.STARTING, TritonState.STOPPED]


async def test_a_missing_model_is_refused_before_anything_starts(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False, models=[SLEEPER, "absent"])
    with pytest.raises(TritonFailed, match="stenod models add absent"):
        await own.embedded.start()
    assert own.states == []


async def test_a_model_that_takes_too_long_is_given_up(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False, start_timeout_s=1.0)
    model = own.root / "models" / SLEEPER / "1" / "model.py"
    model.write_text("import time\ntime.sleep(60)\n" + model.read_text())
    with pytest.raises(TritonFailed, match="did not load its models within 1 s"):
        await own.embedded.start()
    assert own.processes() == []


@pytest.mark.parametrize("listens", [False, True], ids=["bound", "listening"])
async def test_a_port_that_is_taken_is_left_to_its_owner(make_triton: MakeTriton, listens: bool) -> None:  # noqa: FBT001
    with ExitStack() as stack:
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()
        ports = [taken.getsockname()[1]]
        own = await make_triton(wiring={"choose_port": lambda: ports.pop() if ports else free_port()})
        assert ports == []
        assert own.embedded.url != f"127.0.0.1:{taken.getsockname()[1]}"
        await recognise(own.embedded.engine)


async def test_another_triton_at_the_port_is_not_taken_for_ours(
    make_triton: MakeTriton, sleeper_triton: EmbeddedTriton
) -> None:
    ports = [int(sleeper_triton.url.rpartition(":")[2])]
    own = await make_triton(wiring={"choose_port": lambda: ports.pop() if ports else free_port()})
    assert own.embedded.url != sleeper_triton.url


async def test_two_tritons_do_not_share_a_directory(make_triton: MakeTriton) -> None:
    own = await make_triton()
    second = EmbeddedTriton(own.embedded.settings)
    with pytest.raises(TritonFailed, match="in use by another stenod"):
        await second.start()
    await recognise(own.embedded.engine)


def _idler(server_id: str) -> subprocess.Popen[bytes]:
    """A shell that waits for its input, under the name and with the arguments of a tritonserver."""
    command = ["tritonserver", "-c", "read line", f"--id={server_id}"]
    return subprocess.Popen(command, executable="/bin/sh", stdin=subprocess.PIPE)


async def test_what_a_killed_stenod_left_is_swept_and_nothing_else(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    left_id, other_id = "stenod-00000000000000aa", "stenod-00000000000000bb"
    left, other = _idler(left_id), _idler(other_id)
    region = Path("/dev/shm") / f"{left_id}-region"
    region.write_bytes(b"x")
    (own.root / "data" / "triton").mkdir(parents=True)
    PidRecord(left.pid, left_id).write(own.root / "data" / "triton" / "triton.pid")
    try:
        await own.embedded.start()
        assert left.wait(10) == -9
        assert not region.exists()
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.communicate()


async def test_it_listens_on_loopback_alone(sleeper_triton: EmbeddedTriton) -> None:
    sockets = psutil.Process(sleeper_triton.pid).net_connections("all")
    listening = {connection.laddr.ip for connection in sockets if connection.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    ports = {connection.laddr.port for connection in sockets if connection.status == psutil.CONN_LISTEN}
    assert ports == {int(sleeper_triton.url.rpartition(":")[2])}  # no HTTP, no metrics


RESTRICTED = {
    "shared memory": ("SystemSharedMemoryStatus", service_pb2.SystemSharedMemoryStatusRequest()),
    "register shared memory": (
        "SystemSharedMemoryRegister",
        service_pb2.SystemSharedMemoryRegisterRequest(name="x", key="/x", byte_size=1),
    ),
    "load a model": ("RepositoryModelLoad", service_pb2.RepositoryModelLoadRequest(model_name="x")),
    "unload a model": ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest(model_name=SLEEPER)),
    "log settings": ("LogSettings", service_pb2.LogSettingsRequest()),
    "trace settings": ("TraceSetting", service_pb2.TraceSettingRequest()),
}


@pytest.mark.parametrize(("method", "message"), RESTRICTED.values(), ids=RESTRICTED.keys())
async def test_dangerous_calls_are_open_to_nobody(sleeper_triton: EmbeddedTriton, method: str, message: object) -> None:
    async with grpc.aio.insecure_channel(sleeper_triton.url) as channel:
        call = getattr(service_pb2_grpc.GRPCInferenceServiceStub(channel), method)
        for metadata in ((), (("triton-grpc-protocol-nobody", "closed"),)):
            with pytest.raises(grpc.aio.AioRpcError, match="restricted"):
                await call(message, metadata=metadata)


async def test_what_the_command_line_tells_opens_no_door_even_by_hand(sleeper_triton: EmbeddedTriton) -> None:
    """gRPC's clients refuse to send a header in capitals, so it is put on the wire behind their back."""
    header = b"triton-grpc-protocol-nobody"
    by_hand = {header: header.replace(b"nobody", b"NOBODY")}
    async with TcpProxy(sleeper_triton.url, rewrites=by_hand) as proxy, grpc.aio.insecure_channel(proxy.url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert (await stub.ServerReady(service_pb2.ServerReadyRequest())).ready
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.RepositoryIndex(
                service_pb2.RepositoryIndexRequest(), metadata=(("triton-grpc-protocol-nobody", "closed"),)
            )
        assert proxy.rewritten == 1


async def test_nothing_of_our_settings_reaches_the_child(
    make_triton: MakeTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENOD_API_KEY", "hush")
    own = await make_triton()
    assert "STENOD_API_KEY" not in psutil.Process(own.embedded.pid).environ()


async def test_the_pid_file_names_the_running_process(make_triton: MakeTriton) -> None:
    own = await make_triton()
    written = json.loads((own.root / "data" / "triton" / "triton.pid").read_text())
    assert written["pid"] == own.embedded.pid
