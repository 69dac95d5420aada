"""A chain with another id: what `tests/machines.sh` lets a participant ask by mistake. Port 8545 of 127.0.0.1."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer


class OtherChain(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": "0x1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", 8545), OtherChain).serve_forever()
