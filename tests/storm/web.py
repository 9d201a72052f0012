"""One of the shop's web servers: prints its address, then serves until it is told to end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Requests that are worked on at once, so that a flood of them doesn't take every connection of the database.
PLACES = 6


class Server(ThreadedWSGIServer):
    request_queue_size = 128
    #: So that several processes share the work of one address.
    allow_reuse_port = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), WSGIRequestHandler)
        self.set_app(bounded(get_wsgi_application()))


def bounded(application: WSGIApplication) -> WSGIApplication:
    """Let at most ``PLACES`` requests in at once. A connection that is kept open between requests takes no place:
    callers that keep one each, and wait on a new one, would otherwise wait for each other.
    """
    places = threading.BoundedSemaphore(PLACES)

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with places:
            return application(environ, start_response)

    return call


def serve(port: int) -> None:
    """Serve on a port; 0 takes a free one."""
    with Server(port) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
