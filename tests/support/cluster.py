"""A whole cluster on this machine: nodes on hosts of their own, real Tritons, PostgreSQL over TCP with a synchronous
standby, an S3 server; and a balancer before the nodes, which is where clients call.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import stenod
from stenod_server.engine.embedded import EmbeddedTriton
from tests.support.balancer import Balancer
from tests.support.cluster_node import ClusterNode
from tests.support.postgres import DATABASE, PostgresServer, forget_everything, postgres_server
from tests.support.private_network import Host, private_network
from tests.support.seaweed import running_s3
from tests.support.triton import SLEEPER, add_sleeper, sleeper_settings

BUCKET: Final = "stenod"
BLOBS: Final = "cluster"
# A job that is there whenever a node dies, before it gets anywhere, would be taken for the cause: max_rescues.
OPTIONS: Final = (
    "--allow-unauthenticated",
    "--drain-s=2",
    "--max-rescues=50",
    "--min-free-bytes=0",
    "--max-calls=1000",
    f"--model={SLEEPER}",
)
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`window_ms`: a batch of windows. `engines` and `decoders` are of each node. `apart`: each node is a host of its
    own, which can be cut off; this takes root.
    """

    nodes: int = 3
    tritons: int = 2
    engines: int = 24
    decoders: int = 4
    window_ms: int = 1500
    lease_s: float = 10.0
    apart: bool = True
    standby: bool = False
    s3: bool = True  # without it, a directory that all nodes have


@dataclass(slots=True, kw_only=True)
class Cluster:
    """`databases`: the server that takes writes first, then its standby. `to_s3`: the one way to the S3 server."""

    nodes: Sequence[ClusterNode]
    tritons: Sequence[EmbeddedTriton]
    databases: list[PostgresServer]
    balancer: Balancer
    to_s3: Balancer | None
    s3_environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.balancer.url

    async def ask(self, query: str) -> list[list[str]]:
        """The rows of a query, of the server that takes writes. Raises AssertionError while it answers nobody."""
        said = await asyncio.to_thread(self.databases[0].sql, query, DATABASE)
        return [line.split("|") for line in said.splitlines()]


@asynccontextmanager
async def running_cluster(directory: Path, models_dir: Path, plan: Plan) -> AsyncIterator[Cluster]:
    """Started while the context is open. Raises NotPermitted where its hosts cannot be made."""
    async with AsyncExitStack() as stack:
        hosts: list[Host | None] = [None] * plan.nodes
        gateway = LOOPBACK
        if plan.apart:
            network = stack.enter_context(private_network(plan.nodes))
            hosts, gateway = list(network.hosts), network.gateway
        starting = [_start_triton(stack, directory / f"triton-{place}", plan) for place in range(plan.tritons)]
        tritons = await asyncio.gather(*starting)
        databases = [stack.enter_context(postgres_server(tcp=True, durable=plan.standby))]
        forget_everything(databases[0])
        if plan.standby:
            databases.append(databases[0].make_standby(_made(directory / "standby")))
            stack.callback(_end, databases[1])

        async def way_to(server: str) -> Balancer:
            return await stack.enter_async_context(Balancer([server], host=gateway))

        ways = [await way_to(f"{LOOPBACK}:{one.port}") for one in databases]
        database_url = f"postgresql://postgres@{','.join(way.url for way in ways)}/{DATABASE}"
        options = [*OPTIONS, f"--parallel={plan.engines}", f"--decode-workers={plan.decoders}"]
        options += [f"--lease-s={plan.lease_s}", f"--database-url={database_url}"]
        options += [f"--triton-url={(await way_to(triton.url)).url}" for triton in tritons]
        environment: dict[str, str] = {}
        to_s3 = None
        if plan.s3:
            s3 = await stack.enter_async_context(running_s3(_made(directory / "s3")))
            await s3.make_bucket(BUCKET)
            to_s3 = await way_to(s3.url.removeprefix("http://"))
            environment = {**s3.environment, "AWS_ENDPOINT_URL": f"http://{to_s3.url}"}
            options.append(f"--blob-url=s3://{BUCKET}/{BLOBS}")
        nodes = [
            ClusterNode(
                f"node-{place}",
                directory / f"node-{place}",
                *options,
                models_dir=models_dir,
                host=host,
                environment=environment,
            )
            for place, host in enumerate(hosts)
        ]
        for node in nodes:
            if not plan.s3:
                _share_blobs(node, directory / "blobs")
            stack.push_async_callback(node.close)
        await nodes[0].start()  # it brings the schema up to date
        await asyncio.gather(*(node.start() for node in nodes[1:]))
        balancer = await stack.enter_async_context(Balancer([node.address for node in nodes]))
        yield Cluster(
            nodes=nodes,
            tritons=tritons,
            databases=databases,
            balancer=balancer,
            to_s3=to_s3,
            s3_environment=environment,
        )


async def forget_jobs(cluster: Cluster) -> None:
    """What was asked for until now would be seen by the audit as nobody's jobs."""
    async with stenod.Client(cluster.address) as client:
        for job in [job async for job in client.jobs()]:
            await client.delete(job.job_id, force=True)
    await cluster.ask("DELETE FROM usage")


async def _start_triton(stack: AsyncExitStack, root: Path, plan: Plan) -> EmbeddedTriton:
    add_sleeper(root / "models", fixed_ms=plan.window_ms)
    triton = EmbeddedTriton(sleeper_settings(root))
    stack.push_async_callback(triton.stop)
    await triton.start()
    return triton


def _share_blobs(node: ClusterNode, blobs: Path) -> None:
    """As a file system would that all nodes mount."""
    blobs.mkdir(exist_ok=True)
    node.data_dir.mkdir(parents=True)
    (node.data_dir / "blobs").symlink_to(blobs, target_is_directory=True)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def _end(server: PostgresServer) -> None:
    if server.is_running():
        server.stop("immediate")
