"""Every call that changes something, sent again: it has one effect and one answer, or an idempotency key sees to that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import pytest_asyncio

from core.endpoints import GrpcMethod, Repeat, RestRoute
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.jwt.plugin import JwtPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from tests.support.answer_cutter import answers_cut
from tests.support.proxy import Cut, proxied
from tests.support.running import Client, running_server
from tests.support.sent_again import SERVER, Answer, Case, Sent, World, new_connection, send, was_done, world_of
from tests.support.sent_again_cases import CASES, POLLS

PLUGINS = [AuditLogPlugin, HelloWorldPlugin, JwtPlugin, WorkerTokenPlugin]
REFUSED = {"ALREADY_EXISTS", "409"}
"""How a call is answered whose answer held a secret."""

MOST_SHOWN = 500
"""Characters of a problem."""

Endpoint = GrpcMethod | RestRoute


class Problems:
    """The faults that were found, each with its call."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def note(self, case: Case, key: str | None, problem: str) -> None:
        """Note what is wrong with a call, if anything is."""
        if problem:
            self._lines.append(f"{case.operation} {'with' if key else 'without'} a key: {problem[:MOST_SHOWN]}")

    def fail(self) -> None:
        """Fail the test with a line for each problem."""
        if self._lines:
            pytest.fail("\n".join(self._lines), pytrace=False)


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database, PLUGINS, SERVER, WORKER_TOKEN_SECRET="s" * 32) as client:
        yield client


@pytest_asyncio.fixture
async def world(client: Client) -> AsyncIterator[World]:
    async with world_of(client) as world:
        yield world


def endpoints(client: Client) -> Mapping[str, Endpoint]:
    """Return all that the server offers, aliases once."""
    methods = {
        f"/{service.descriptor.full_name}/{name}": method
        for service in client.grpc_services
        for name, method in service.methods.items()
    }
    routes = client.routes
    return {**methods, **{f"{route.method} {route.path}": route for route in routes}}


async def test_every_call_that_changes_something_is_in_the_table(client: Client) -> None:
    """A new one needs a line there, which says what happens when it is sent again."""
    offered = endpoints(client)
    assert {each for each in offered if offered[each].repeated not in {Repeat.READS, Repeat.POLLS}} == {
        case.operation for case in CASES
    }
    assert {each for each in offered if offered[each].repeated is Repeat.POLLS} == POLLS


async def test_a_call_that_is_said_to_read_changes_by_no_method_that_writes(client: Client) -> None:
    """Only views, and what the audit log calls managing, may claim that they change nothing."""
    reading = {each: offered for each, offered in endpoints(client).items() if offered.repeated is Repeat.READS}
    changing = {each for each, offered in reading.items() if offered.action.changes}
    assert {each for each in changing if "audit" not in each} == set()


Again = Callable[[World, Case, Sent, str | None], Awaitable[list[Answer]]]


async def _at_once(world: World, case: Case, sent: Sent, key: str | None) -> list[Answer]:
    return [await send(case, sent, world.client, key) for _ in range(2)]


async def _three_together(world: World, case: Case, sent: Sent, key: str | None) -> list[Answer]:
    return list(await asyncio.gather(*(send(case, sent, world.client, key) for _ in range(3))))


async def _late(world: World, case: Case, sent: Sent, key: str | None) -> list[Answer]:
    return [await send(case, sent, world.client, key)]


@pytest.mark.parametrize("again", [_at_once, _three_together, _late], ids=lambda again: again.__name__.strip("_"))
async def test_a_call_sent_again_changes_nothing_and_is_answered_the_same(
    client: Client, world: World, again: Again
) -> None:
    """With a key where it takes one, and without one where what it says identifies it, or where it overwrites."""
    offered, problems = endpoints(client), Problems()
    for case in CASES:
        for key in _keys(offered[case.operation], world, late=again is _late):
            sent = await case.prepare(world)
            first = await send(case, sent, client, key)
            if again is _late:
                await sent.later()
            before = await world.state()
            answers = await again(world, case, sent, key)
            differs = case.moves_on if again is _late else ""
            problems.note(
                case,
                key,
                _problem(offered[case.operation], first, answers, differs) or _changed(before, await world.state()),
            )
    problems.fail()


async def test_calls_that_arrive_together_first_have_one_effect(client: Client, world: World) -> None:
    """None of three is the first; the state is that after one, so that one more changes nothing."""
    offered, problems = endpoints(client), Problems()
    for case in CASES:
        for key in _keys(offered[case.operation], world, late=False):
            sent = await case.prepare(world)
            answers = await _three_together(world, case, sent, key)
            first = next((each for each in answers if was_done(each)), answers[0])
            answers.remove(first)
            before = await world.state()
            answers.append(await send(case, sent, client, key))
            problems.note(
                case, key, _problem(offered[case.operation], first, answers) or _changed(before, await world.state())
            )
    problems.fail()


async def test_a_call_whose_answer_was_lost_is_sent_again_over_a_new_connection(client: Client, world: World) -> None:
    """The server answered, and the client's connection broke: the next answer is what the first was."""
    offered, problems = endpoints(client), Problems()
    port = client.settings.grpc_server_port
    for case in [each for each in CASES if each.is_grpc]:
        for key in _keys(offered[case.operation], world, late=False):
            sent = await case.prepare(world)
            async with answers_cut(port) as (cutter, cut_port):
                async with new_connection(cut_port) as channel:
                    lost = await send(case, sent, client, key, channel)
                assert (lost[0], cutter.cuts) == ("UNAVAILABLE", 1), case.operation
            before = await world.state()
            async with new_connection(port) as channel:
                answers = [await send(case, sent, client, key, channel) for _ in range(2)]
            problems.note(
                case,
                key,
                _problem(offered[case.operation], answers[0], answers) or _changed(before, await world.state()),
            )
    problems.fail()


async def test_a_call_with_a_key_is_found_after_a_commit_of_unknown_outcome(database: str) -> None:
    """The database committed and the server did not hear of it: the call is refused, and sent again it is answered."""
    problems = Problems()
    async with (
        proxied(database) as (proxy, url),
        running_server(url, PLUGINS, SERVER, WORKER_TOKEN_SECRET="s" * 32) as client,
        world_of(client) as world,
    ):
        offered = endpoints(client)
        for case in [each for each in CASES if offered[each.operation].repeated.takes_key]:
            sent, key = await case.prepare(world), world.name()
            proxy.cut_next(Cut.AFTER, "INSERT INTO call_answer")
            lost = await send(case, sent, client, key)
            before = await world.state()
            answers = [await send(case, sent, client, key) for _ in range(2)]
            problems.note(
                case,
                key,
                _problem(offered[case.operation], answers[0], answers) or _changed(before, await world.state()),
            )
            if lost[0] not in {"UNAVAILABLE", "503"}:
                problems.note(case, key, f"the first call was answered {lost}")
    problems.fail()


def _keys(endpoint: Endpoint, world: World, *, late: bool) -> list[str | None]:
    """Return the keys with which to try a call: a new one where it takes one, none where it needs none."""
    needs_one = endpoint.repeated is Repeat.COUNTS or (late and endpoint.repeated is Repeat.LAST)
    return [*([world.name()] if endpoint.repeated.takes_key else []), *([] if needs_one else [None])]


def _problem(endpoint: Endpoint, first: Answer, answers: list[Answer], differs: str = "") -> str:
    if endpoint.secret_answer:
        others = [each for each in answers if each[0] not in REFUSED]
        return f"the secret was answered again: {others}" if others else ""
    if not was_done(first):
        return f"the first call was refused: {first}"
    others = [] if differs else [each for each in answers if each != first]
    return f"{first} became {others}" if others else ""


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    changed = [table for table in before if before[table] != after[table]]
    return f"the state of {', '.join(changed)} changed" if changed else ""
