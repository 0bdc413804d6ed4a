"""An OAuth 2.0 authorization server with one confidential client: token endpoint (RFC 6749, 4.4) and introspection (RFC 7662).

    oauth_server.py PORT_FILE

Standard library only. Listens on a port of the system's and writes it to PORT_FILE once it accepts connections.

    POST /token       grant_type=client_credentials, the client's id and secret: a new token, for an hour
    POST /introspect  token=…: {"active": true} while the token is valid
    POST /client      enabled=true|false: whether the client may have tokens; disabling it ends those that it has
    GET  /issued      how many tokens were issued
    GET  /.well-known/oauth-authorization-server   its metadata (RFC 8414)
"""

import base64
import json
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

CLIENT = ("context-forge", "a-client-secret-of-this-test-suite")
LIFETIME = 3600


class State:
    """What was issued, and whether more is."""

    def __init__(self):
        self.lock = threading.Lock()
        self.enabled = True
        self.valid = {}
        self.issued = 0


STATE = State()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def log_message(self, *_):
        """Say nothing."""

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def form(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        return {name: values[0] for name, values in parse_qs(text).items()}

    def client(self, form):
        """Id and secret, by HTTP Basic or in the form."""
        scheme, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            return tuple(base64.b64decode(encoded).decode().split(":", 1))
        return form.get("client_id"), form.get("client_secret")

    def do_GET(self):
        if self.path == "/issued":
            self.answer(200, {"issued": STATE.issued})
        elif self.path == "/.well-known/oauth-authorization-server":
            issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
            self.answer(
                200,
                {
                    # As FastMCP writes it in its own metadata, which the client compares.
                    "issuer": f"{issuer}/",
                    "token_endpoint": f"{issuer}/token",
                    "authorization_endpoint": f"{issuer}/authorize",
                    "introspection_endpoint": f"{issuer}/introspect",
                    "response_types_supported": ["code"],
                    "grant_types_supported": ["client_credentials"],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                },
            )
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self):
        form = self.form()
        with STATE.lock:
            if self.path == "/token":
                self.token(form)
            elif self.path == "/introspect":
                self.answer(200, {"active": STATE.valid.get(form.get("token"), 0) > time.time()})
            elif self.path == "/client":
                STATE.enabled = form["enabled"] == "true"
                STATE.valid.clear()
                self.answer(200, {})
            else:
                self.answer(404, {"error": "not_found"})

    def token(self, form):
        if self.client(form) != CLIENT or not STATE.enabled:
            self.answer(401, {"error": "invalid_client"})
        elif form.get("grant_type") != "client_credentials":
            self.answer(400, {"error": "unsupported_grant_type"})
        else:
            token = secrets.token_urlsafe(24)
            STATE.valid[token] = time.time() + LIFETIME
            STATE.issued += 1
            self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME})


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Path(sys.argv[1]).write_text(str(server.server_address[1]), encoding="utf-8")
    server.serve_forever()
