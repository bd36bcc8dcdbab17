"""A camera that speaks HTTP: Motion JPEG, a transport stream, HLS, and refusals."""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np

USER, PASSWORD = "guard", "p@ss/w:rd?&=#% ü"


def jpegs(count: int, size: tuple[int, int] = (64, 96)) -> list[bytes]:
    noise = np.random.default_rng(3).integers(60, 120, (*size, 3), np.uint8)
    found = []
    for number in range(count):
        image = noise.copy()
        image[10:26, 3 * number % (size[1] - 16) :][:, :16] = 230
        found.append(cv2.imencode(".jpg", image)[1].tobytes())
    return found


def write_segments(video: Path, folder: Path, seconds: int = 1) -> Path:
    """A play list of HLS and its segments, with the packets of a video."""
    folder.mkdir()
    target = folder / "x.m3u8"
    with (
        av.open(str(video)) as source,
        av.open(str(target), "w", "hls", options={"hls_time": str(seconds), "hls_list_size": "0"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return target


class Camera:
    """What is served: `files` by name; `pictures` as Motion JPEG at /mjpeg, `rate` in a second, then the end."""

    def __init__(self, folder: Path, pictures: list[bytes], rate: float = 10.0) -> None:
        self.folder, self.pictures, self.rate = folder, pictures, rate
        self.asked: list[str] = []


@contextmanager
def serving(camera: Camera) -> Iterator[str]:
    """Serves a camera; the beginning of its address, with a slash at the end."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *values: object, **named: object) -> None:
            super().__init__(*values, directory=str(camera.folder))

        def do_GET(self) -> None:
            camera.asked.append(self.path)
            if self.path.startswith("/mjpeg"):
                self.play()
            elif self.path.startswith("/secret"):
                self.guarded()
            elif self.path.startswith("/slowly/"):
                self.trickle(camera.folder / self.path.removeprefix("/slowly/"))
            elif self.path.startswith("/forbidden"):
                self.send_error(403)
            else:
                super().do_GET()

        def guarded(self) -> None:
            expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") == f"Basic {expected}":
                return self.play()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()

        def trickle(self, path: Path) -> None:
            """A file within about eight seconds."""
            data = path.read_bytes()
            self.send_response(200)
            self.end_headers()
            try:
                for place in range(0, len(data), max(1, len(data) // 160)):
                    self.wfile.write(data[place : place + len(data) // 160])
                    time.sleep(0.05)
            except OSError:
                pass

        def play(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            due = time.monotonic()
            try:
                for picture in camera.pictures:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                    due += 1 / camera.rate
                    time.sleep(max(0.0, due - time.monotonic()))
            except OSError:
                pass

        def log_message(self, *values: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
