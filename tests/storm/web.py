"""One of the shop's web servers: prints its address, then serves until it is told to end."""

from __future__ import annotations

import sys
import threading
from typing import Any

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

#: Requests that are worked on at once, so that a flood of them doesn't take every connection of the database.
PLACES = 6


class Server(ThreadedWSGIServer):
    request_queue_size = 128
    #: So that several processes share the work of one address.
    allow_reuse_port = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), WSGIRequestHandler)
        self.places = threading.BoundedSemaphore(PLACES)
        self.set_app(get_wsgi_application())

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self.places:
            super().process_request_thread(request, client_address)


def serve(port: int) -> None:
    """Serve on a port; 0 takes a free one."""
    with Server(port) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
