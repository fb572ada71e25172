"""Starts gunicorn with the server inside it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from dataclasses import replace
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from core.errors import FlovynError
from server.boot.preparation import Prepared, configure, impatient
from server.boot.startup import rehearse
from server.config.descriptors import Share, needed, raise_limit, share
from server.config.load import read_sources
from server.config.settings import Settings
from server.observability.logging import configure as configure_logging
from server.observability.metrics import forget
from server.process.arbiter import Arbiter
from server.process.asgi import Application
from server.process.ports import HOLDER_VARIABLE, check_free, hold
from server.process.worker import Worker

PEX_ROOT = "PEX_ROOT"
"""A PEX takes this variable away at its start; the process of a binary upgrade needs it again."""

_log = logging.getLogger(__name__)


class GunicornLogger(Logger):
    """Sends gunicorn's lines through the handler that the server's own lines go through."""

    def setup(self, cfg: Any) -> None:
        """Leave levels and handlers as ``server.observability.logging`` set them."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True


class Gunicorn(BaseApplication):
    """The application object that gunicorn's supervisor and workers share."""

    def __init__(self, prepared: Prepared, holder: socket.socket) -> None:
        self.application: Application | None = None
        self._prepared = prepared
        self._holder = holder
        self._environ = dict(os.environ)
        self._reloading = False
        super().__init__()

    @property
    def settings(self) -> Settings:
        """The settings of the workers that are forked from now on."""
        return self._prepared.settings

    def load_config(self) -> None:
        """Set gunicorn's settings; called again on HUP, which reads the configuration anew."""
        if self._reloading:
            self._reload_settings()
        self._reloading = True
        settings = self._prepared.settings
        options: dict[str, Any] = {
            "bind": _addresses(settings),
            "workers": settings.process.workers,
            "worker_class": Worker,
            "asgi_loop": "asyncio",
            "asgi_lifespan": "on",
            "graceful_timeout": settings.process.drain_timeout,
            "timeout": settings.process.hang_timeout,
            "keepalive": settings.limits.idle_timeout,
            "asgi_disconnect_grace_period": 0,
            "control_socket_disable": True,
            "preload_app": False,
            "proc_name": "flovyn-server",
            "logger_class": GunicornLogger,
            "when_ready": self._announce,
            "pre_exec": self._pass_on,
            "child_exit": lambda _arbiter, worker: forget(worker.pid),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Application:
        """Make the worker's application, after the fork."""
        self.application = Application(self._prepared)
        return self.application

    def run(self) -> None:
        """Supervise until stopped; leaves by ``SystemExit``."""
        Arbiter(self).run()

    def _reload_settings(self) -> None:
        """Read the configuration anew; one that workers could not start with is logged and the one in use stays.

        Ports stay as they are.
        """
        try:
            prepared = self._configured_anew()
            asyncio.run(rehearse(impatient(prepared)))  # it supervises meanwhile: it must not wait
        except FlovynError as error:
            _log.error("the new configuration is refused, the old one stays in use: %s", error)
        except Exception:  # noqa: BLE001 - logged whole; the supervising process goes on
            _log.exception("the new configuration is refused, the old one stays in use")
        else:
            configure_logging(prepared.settings.log)
            self._prepared = prepared

    def _configured_anew(self) -> Prepared:
        edition, old = self._prepared.edition, self._prepared.settings
        prepared = configure(edition, read_sources(self._environ), development=self._prepared.development)
        fixed = {"bind_host": old.bind_host, "server_port": old.server_port, "grpc_server_port": old.grpc_server_port}
        port = {"host": old.metrics.host, "port": old.metrics.port}
        metrics = prepared.settings.metrics.model_copy(update=port)
        return replace(prepared, settings=prepared.settings.model_copy(update={**fixed, "metrics": metrics}))

    def _announce(self, arbiter: Any) -> None:
        http = arbiter.LISTENERS[0].sock.getsockname()
        grpc_port = self._prepared.settings.grpc_server_port
        _log.info(
            "starting %d worker(s) for REST on %s and gRPC on %s",
            self.cfg.workers,
            _address(http[0], http[1]),
            _address(self._prepared.settings.bind_host, grpc_port),
            extra={"http_port": http[1], "grpc_port": grpc_port},
        )

    def _pass_on(self, arbiter: Any) -> None:
        """Pass on, to the process of a binary upgrade, the held port and where PEX files are unpacked."""
        arbiter.cfg.env_orig[HOLDER_VARIABLE] = str(self._holder.fileno())
        if PEX_ROOT in self._environ:
            arbiter.cfg.env_orig[PEX_ROOT] = self._environ[PEX_ROOT]


def serve(prepared: Prepared) -> None:
    """Hold the ports and serve; leaves by ``SystemExit`` with gunicorn's exit code.

    Raises:
        StartupError: a port is taken, or too few files may be opened.
    """
    settings = prepared.settings
    raise_limit()
    _check_descriptors(settings)
    check_free(settings.bind_host, settings.server_port, "server_port")
    if settings.metrics.port is not None:
        check_free(settings.metrics.host, settings.metrics.port, "metrics.port")
    with hold(settings.bind_host, settings.grpc_server_port, "grpc_server_port") as holder:
        bound = settings.model_copy(update={"grpc_server_port": holder.getsockname()[1]})
        Gunicorn(replace(prepared, settings=bound), holder).run()


def _check_descriptors(settings: Settings) -> None:
    connections, limits = share(settings), settings.limits
    if connections != Share(limits.rest_connections, limits.grpc_connections):
        _log.warning(
            "too few files may be opened: a worker process takes %d connections to REST and %d to gRPC, and not %d and "
            "%d; raise the limit of open files to %d",
            connections.rest,
            connections.grpc,
            limits.rest_connections,
            limits.grpc_connections,
            needed(settings),
        )


def _addresses(settings: Settings) -> list[str]:
    """Return the addresses of REST and of the port for metrics, in this order."""
    port = settings.metrics.port
    own = [] if port is None else [_address(settings.metrics.host, port)]
    return [_address(settings.bind_host, settings.server_port), *own]


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
