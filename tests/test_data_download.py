"""Downloads against a server of our own that breaks, lies, stutters and never ends."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading

import numpy as np
import pytest

from minidl import data
from minidl.data import net, online
from minidl.errors import DataError, RangeError

FILE = bytes(range(256)) * 2000  # 512,000 bytes: more than a few chunks
SUM = hashlib.sha256(FILE).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """/good, /norange, /wrong, /break, /stutter, /short, /endless, /busy, /lie; else 404."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        files, path = self.server.files, self.path
        if path in files:
            self.send(files[path], wanted)
        elif hasattr(self, path[1:]):
            getattr(self, path[1:])(wanted)
        else:
            self.send_error(404)

    def send(self, content, wanted, promise=None):
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(content) and start:
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        length = len(content) - start if promise is None else promise
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content[start:])

    def good(self, wanted):
        self.send(FILE, wanted)

    def norange(self, wanted):
        self.send(FILE, None)

    def wrong(self, wanted):
        self.send(FILE[:-1] + b"!", wanted)

    def stutter(self, wanted):
        """Send a fifth, and hang up."""
        start = int(wanted[6:-1]) if wanted else 0
        self.send(FILE[: start + 110_000], wanted, len(FILE) - start)

    def halt(self, wanted):
        """Promise everything, and never send more than 1000 bytes of the file."""
        self.send(FILE[:1000], None, len(FILE))

    def short(self, wanted):
        self.send(FILE[:100], None)

    def endless(self, wanted):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 50_000)
        except OSError:
            pass

    def busy(self, wanted):
        self.send_error(503)

    def lie(self, wanted):
        """Say 206, but begin where nobody asked."""
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes 0-{len(FILE) - 1}/{len(FILE)}")
        self.send_header("Content-Length", str(len(FILE)))
        self.end_headers()
        self.wfile.write(FILE)

    def pretend(self, wanted):
        """Say 200, the whole file, and also that it is only the rest."""
        self.send_response(200)
        self.send_header("Content-Range", f"bytes {(wanted or '=0-')[6:]}/{len(FILE)}")
        self.send_header("Content-Length", str(len(FILE)))
        self.end_headers()
        self.wfile.write(FILE)

    def nonsense(self, wanted):
        self.wfile.write(b"this is no HTTP\r\n\r\n")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(net, "TIMEOUT", 5.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        http_server.asked, http_server.files = [], {}
        http_server.base = f"http://127.0.0.1:{http_server.server_port}"
        thread = threading.Thread(target=http_server.serve_forever, args=(0.01,))
        thread.start()
        yield http_server
        http_server.shutdown()
        thread.join()


@pytest.fixture
def get(server, tmp_path):
    def run(*paths, **settings):
        mirrors = [server.base + path for path in paths]
        settings = {"size": len(FILE), "name": "file", "folder": tmp_path, **settings}
        return data.download(mirrors, settings.pop("sha256", SUM), **settings)

    return run


def test_a_file_arrives_once_and_nothing_else_stays(get, server, tmp_path):
    path = get("/good")
    assert path.read_bytes() == FILE
    assert path == tmp_path / "file"
    assert get("/good") == path
    assert server.asked == [("/good", None)]  # the second time, the cache was enough
    assert os.listdir(tmp_path) == ["file"]


def test_a_damaged_cache_is_noticed_and_fetched_anew(get, tmp_path):
    (tmp_path / "file").write_bytes(FILE[:-1] + b"!")
    assert get("/good").read_bytes() == FILE
    (tmp_path / "file").write_bytes(b"")
    assert get("/good").read_bytes() == FILE


def test_it_goes_on_where_the_last_try_ended(get, server, tmp_path):
    (tmp_path / "file.part").write_bytes(FILE[:300_000])
    assert get("/good").read_bytes() == FILE
    assert server.asked == [("/good", "bytes=300000-")]


def test_a_broken_connection_is_taken_up_again(get, server):
    assert get("/stutter").read_bytes() == FILE
    places = [f"bytes={start}-" for start in range(110_000, len(FILE), 110_000)]
    assert [place for _, place in server.asked] == [None, *places]
    assert len(places) > net.TRIES


@pytest.mark.parametrize("path", ["/norange", "/lie", "/pretend"])
def test_a_server_without_ranges_starts_from_the_beginning(get, tmp_path, path):
    (tmp_path / "file.part").write_bytes(b"x" * 300_000)
    assert get(path).read_bytes() == FILE


def test_the_next_mirror_goes_on_where_the_first_gave_up(get, server):
    assert get("/missing", "/busy", "/halt", "/good").read_bytes() == FILE
    paths = [path for path, _ in server.asked]
    assert paths.count("/missing") == 1  # 404 stays 404
    assert paths.count("/busy") == net.TRIES  # 503 may pass
    assert server.asked[-1] == ("/good", "bytes=1000-")


def test_a_wrong_file_is_thrown_away_and_the_next_mirror_asked(get, server, tmp_path):
    assert get("/wrong", "/good").read_bytes() == FILE
    assert server.asked[-1] == ("/good", None)
    (tmp_path / "file").unlink()
    with pytest.raises(DataError, match=r"(?s)could not be.*SHA-256.*where 512,000"):
        get("/wrong")
    assert os.listdir(tmp_path) == []


def test_an_endless_file_spoils_nothing(get, server):
    assert get("/endless", "/good").read_bytes() == FILE
    assert server.asked[-1] == ("/good", None)


def test_a_damaged_part_heals(get, tmp_path):
    """A part that is not a piece of the file spoils one mirror's try, not the next."""
    (tmp_path / "file.part").write_bytes(b"x" * 300_000)
    assert get("/good", "/good").read_bytes() == FILE


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/missing", "404"),
        ("/busy", "503"),
        ("/halt", "breaks off|stopped after 1,000"),
        ("/short", "stopped after 100 bytes"),
        ("/endless", "more than the 512,000 bytes"),
        ("/nonsense", "breaks off"),
        ("/wrong", "sent another file"),
    ],
)
def test_what_went_wrong_is_one_error_that_names_the_address(get, path, said):
    with pytest.raises(DataError, match=said) as caught:
        get(path)
    assert path in str(caught.value)
    assert "elsewhere" in str(caught.value)  # what to try


def test_only_http_addresses_are_asked(tmp_path):
    (tmp_path / "secret").write_bytes(FILE)
    address = (tmp_path / "secret").as_uri()
    with pytest.raises(DataError, match="begins with https"):
        data.download(address, SUM, size=len(FILE), folder=tmp_path / "x")


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match="could not be downloaded"):
        data.download("http://127.0.0.1:9/file", SUM, size=3, folder=tmp_path)


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIDL_CACHE", str(tmp_path / "mine"))
    assert data.cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("MINIDL_CACHE")
    monkeypatch.setattr(net.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data.cache_folder() == tmp_path / "minidl"
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="MINIDL_CACHE"):
        data.download("http://x/y", SUM, size=1, folder=tmp_path / "taken" / "z")


def test_progress_speaks_to_terminals_only(capsys, monkeypatch):
    net.Progress("file", 100).show(50)
    assert capsys.readouterr().err == ""
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(net.sys, "stderr", screen)
    progress = net.Progress("file", 100)
    for length in (50, 50, 100):
        progress.show(length)
    progress.end()
    assert screen.getvalue().count("\r") == 2
    assert "(100 %)\n" in screen.getvalue()


# The sets, in the shape of the real ones but small


def idx(array):
    head = bytes([0, 0, 8, array.ndim])
    return head + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def remote(server, name, content):
    server.files[f"/{name}"] = content
    return online.Remote(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("which", ["mnist", "fashion_mnist"])
def test_mnist_and_fashion(server, tmp_path, monkeypatch, which):
    monkeypatch.setenv("MINIDL_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    names = [file.name for file in online.MNIST.files]
    shapes = ((60, 28, 28), (60,), (10, 28, 28), (10,))
    arrays = [rng.integers(0, 10, shape).astype(np.uint8) for shape in shapes]
    files = [
        remote(server, name, gzip.compress(idx(array)))
        for name, array in zip(names, arrays, strict=True)
    ]
    source = online.Source((f"{server.base}/",), tuple(files))
    monkeypatch.setattr(online, which.split("_")[0].upper(), source)
    splits = getattr(data, f"load_{which}")()
    assert [len(part) for part in splits] == [30, 30, 10]
    whole = np.concatenate([splits.train.x, splits.validation.x]) * np.float32(255)
    assert np.array_equal(whole[:, 0].round(), arrays[0])
    assert np.array_equal(splits.test.y, arrays[3])
    assert len(splits.train.categories) == 10
    asked = len(server.asked)
    getattr(data, f"load_{which}")()
    assert len(server.asked) == asked == 4


def test_labels_out_of_range_and_missing_images_are_seen():
    x, y = np.zeros((4, 1, 2, 2), np.uint8), np.array([0, 9, 10, 1], np.uint8)
    with pytest.raises(RangeError, match="label 10 of sample 2"):
        online._splits(x, y, x, y % 10, online.DIGITS)
    with pytest.raises(DataError, match="3 images and 4 labels"):
        online._splits(x, y % 10, x[:3], y % 10, online.DIGITS)


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_cifar10_and_cifar100(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_CACHE", str(tmp_path))
    monkeypatch.setattr(online, "BATCH", 40)
    ten = np.zeros((40, 3073), np.uint8)
    ten[:, 0] = np.arange(40) % 10
    ten[:, 1:1025] = 7
    files = dict.fromkeys([*online.CIFAR10_TRAIN, online.CIFAR10_TEST], ten.tobytes())
    files["cifar-10-batches-bin/readme.html"] = b"hello"
    file = remote(server, "cifar-10-binary.tar.gz", tar_of(files))
    source = functools.partial(online.Source, (f"{server.base}/",))
    monkeypatch.setattr(online, "CIFAR10", source((file,)))
    train, validation, test = data.load_cifar10()
    assert (len(train), len(validation), len(test)) == (100, 100, 40)
    assert train.x.shape[1:] == (3, 32, 32)
    assert np.allclose(train.x[:9, 0], 7 / 255)
    assert (train.x[:9, 1:] == 0).all()
    assert train.y[:3].tolist() == [0, 1, 2]
    assert train.categories[9] == "truck"
    hundred = np.zeros((200, 3074), np.uint8)
    hundred[:, 0], hundred[:, 1] = 19, np.arange(200) % 100
    folder = "cifar-100-binary/"
    pair = {"train.bin": hundred.tobytes(), "test.bin": hundred[:40].tobytes()}
    content = tar_of({folder + name: body for name, body in pair.items()})
    file = remote(server, "cifar-100-binary.tar.gz", content)
    monkeypatch.setattr(online, "CIFAR100", source((file,)))
    train, validation, test = data.load_cifar100()
    assert len(train.categories) == 100
    assert train.categories[1] == "aquarium fish"
    assert train.y[97:].tolist() == [97, 98, 99]
    assert len(test) == 40


def test_the_real_sources_are_complete():
    assert online.BATCH == 10_000
    sources = [online.MNIST, online.FASHION, online.CIFAR10, online.CIFAR100]
    files = [file for source in sources for file in source.files]
    assert len({file.sha256 for file in files}) == len(files) == 10
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in files)
    assert all(m.startswith("http") and m.endswith("/") for s in sources for m in s[0])
