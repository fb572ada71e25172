"""Passwords that are not in the address: from a file, or from a command such as one that makes short-lived tokens.

Each new connection asks for the password, so that it may change without a restart.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg

ANSWER_WITHIN_S = 10.0
"""The time that the command has."""

KEEP_S = 60.0
"""The time for which a command's password is used for further connections; a connection that fails asks anew."""

C = TypeVar("C")

LONGEST = 65_536
"""Longest password in bytes; tokens have a few thousand."""


class PasswordSource:
    """A file or a command whose content or output, without the line end, is the password. No text of it is shown."""

    def __init__(self, file: str | None, command: Sequence[str]) -> None:
        self._file = file
        self._command = command
        self._kept: str | None = None
        self._until = 0.0

    async def connect(self, open_: Callable[[str], Awaitable[C]]) -> C:
        """Open a connection with the password; a second time if it fails and the password has changed.

        Raises:
            psycopg.OperationalError: the connection failed, or there is no password.
        """
        password = await self._password()
        try:
            return await open_(password)
        except psycopg.OperationalError:
            self._kept = None
            if (fresh := await self._password()) == password:
                raise
        return await open_(fresh)

    async def _password(self) -> str:
        if self._file is not None:
            return _text(await asyncio.to_thread(_read, self._file), "database.password_file")
        if self._kept is None or time.monotonic() > self._until:
            self._kept = _text(await _output(self._command), "database.password_command")
            self._until = time.monotonic() + KEEP_S
        return self._kept


class Address(str):
    """An address of the database whose password may come from elsewhere.

    Attributes:
        password: the source of the password; None when the address itself has it, or needs none.
    """

    __slots__ = ("password",)
    password: PasswordSource | None

    def __new__(cls, text: str, file: str | None = None, command: Sequence[str] = ()) -> Self:
        """Return the address with the source that a setting names."""
        made = super().__new__(cls, text)
        made.password = _source(file, tuple(command)) if file is not None or command else None
        return made


async def with_password(address: str, open_: Callable[..., Awaitable[C]], **arguments: Any) -> C:
    """Call ``open_`` with the arguments, and with the password of the address if it comes from elsewhere."""
    source = address.password if isinstance(address, Address) else None
    if source is None:
        return await open_(**arguments)
    return await source.connect(lambda password: open_(**arguments, password=password))


@cache
def _source(file: str | None, command: tuple[str, ...]) -> PasswordSource:
    """Return one source for all connections of a process."""
    return PasswordSource(file, command)


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as content:
            return content.read(LONGEST + 1)
    except OSError as error:
        raise psycopg.OperationalError(f"database.password_file {file!r} cannot be read: {error.strerror}") from None


async def _output(command: Sequence[str]) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise psycopg.OperationalError(f"database.password_command cannot be run: {error.strerror}") from None
    assert process.stdout is not None  # a pipe
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            output = await _first(process.stdout)
            if len(output) <= LONGEST:
                await process.wait()
    except TimeoutError:
        raise psycopg.OperationalError(f"database.password_command did not end within {ANSWER_WITHIN_S:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its children, which may hold the pipe
            while await process.stdout.read(LONGEST):
                pass  # the end of the process is not noticed before that of the pipe
            await process.wait()
    if process.returncode and len(output) <= LONGEST:
        raise psycopg.OperationalError(f"database.password_command ended with status {process.returncode}")
    return output


async def _first(output: asyncio.StreamReader) -> bytes:
    """Read to the end, or to the first byte that is too much."""
    try:
        return await output.readexactly(LONGEST + 1)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _text(content: bytes, name: str) -> str:
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > LONGEST or "\x00" in text:
        raise psycopg.OperationalError(f"{name} gives no password: it must be one text of at most {LONGEST} bytes")
    return text
