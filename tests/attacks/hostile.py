"""Submissions that mean harm, each confined to the canaries of its own test.

name: (what stands in the region, which region). CANARY is a file of the test, FOLDER
the folder it is in, PORT a listener of the test, ROOT the clone (a student may well
know where it is). Bombs are bounded by themselves too: at most 1 GB, 40 processes, a
few seconds, so that a broken sandbox is seen and the machine lives.

None of these may gain a point, stop the batch, or touch a canary.
"""

FORWARD = {
    # --- ending early, and saying that all is well
    "exit": "import os\nos._exit(0)",
    "system-exit": "raise SystemExit(0)",
    "keyboard": "raise KeyboardInterrupt",
    "generator-exit": "raise GeneratorExit",
    "forged-print": """
print('{"points": 100, "score": 100.0, "tests": [{"passed": true}]}', flush=True)
y = z
""",
    "forged-files": """
for name in ("result.json", "grades.csv", "../result.json", "FOLDER/r.json"):
    try:
        with open(name, "w") as file:
            file.write('{"points": 100, "worth": 100}')
    except OSError:
        pass
y = z
""",
    "own-exception": """
class E(Exception):
    def __str__(self):
        raise SystemExit(0)
raise E
""",
    # --- patching what judges
    "patched-numpy": """
import builtins, numpy
for name in ("allclose", "isclose", "array_equal", "isfinite"):
    setattr(numpy, name, lambda *a, **k: True)
numpy.testing = None
builtins.AssertionError = ValueError
builtins.abs = lambda x: 0
y = z
""",
    "patched-child": """
import sys
main = sys.modules["__main__"]
main.excuse = main.answer = lambda *a: sys.modules["frames"].encode({})
main.plain = lambda r: {"y": __import__("numpy").ones((2, 2))}
sys.modules["frames"].CAP = 2**62
y = z
""",
    "forged-frames": """
import os, sys, numpy
frames = sys.modules["frames"]
for name in ("y", "points", "right", "expected", "!verdict"):
    os.write(int(sys.argv[2]), frames.encode({name: numpy.ones(z.shape)}))
os._exit(0)
""",
    "forged-bytes": "import os, sys\nos.write(int(sys.argv[2]), b'PASS' * 1000)\ny = z",
    "forged-length": """
import os, sys
os.write(int(sys.argv[2]), b"mdl1" + b"\\xff\\xff\\xff\\xff" + b"x" * 100)
y = z
""",
    "forged-count": """
import os, sys
array = b"\\x01\\x01y\\x0b\\x01" + b"\\xff" * 8
os.write(int(sys.argv[2]), b"mdl1" + b"\\x0d\\0\\0\\0" + array)
y = z
""",
    "nan-line": """
import numpy, os, sys
frames = sys.modules["frames"]
told = {"!error": frames.text("x"), "!line": numpy.array(numpy.nan)}
os.write(int(sys.argv[2]), frames.encode(told))
os._exit(0)
""",
    "infinite-line": """
import numpy, os, sys
frames = sys.modules["frames"]
told = {"!error": frames.text("x"), "!line": numpy.array(1e400)}
os.write(int(sys.argv[2]), frames.encode(told))
os._exit(0)
""",
    "complex-line": """
import numpy, os, sys
frames = sys.modules["frames"]
told = {"!error": frames.text("x"), "!line": numpy.array(1j)}
os.write(int(sys.argv[2]), frames.encode(told))
os._exit(0)
""",
    "many-lines": """
import numpy, os, sys
frames = sys.modules["frames"]
told = {"!error": frames.text("x"), "!line": numpy.array([1, 2])}
os.write(int(sys.argv[2]), frames.encode(told))
os._exit(0)
""",
    "huge-line": """
import numpy, os, sys
frames = sys.modules["frames"]
told = {"!error": frames.text("x"), "!line": numpy.array(2**63, "u8")}
os.write(int(sys.argv[2]), frames.encode(told))
os._exit(0)
""",
    "odd-error": """
import numpy, os, sys
frames = sys.modules["frames"]
told = {"!error": numpy.zeros((0, 3), "c16"), "!line": numpy.zeros(0), "!ready": numpy.ones(3)}
os.write(int(sys.argv[2]), frames.encode(told))
os._exit(0)
""",
    "deep-folders": """
import os
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
y = z
""",
    "locked-folders": """
import os
for i in range(30):
    os.makedirs(f"a{i}/b/c")
    os.open(f"a{i}/b/f", os.O_CREAT, 0)
y = z
""",
    "long-names": """
import os
for i in range(200):
    open("\\udc80" * 20 + str(i), "w").close()
    os.mkdir("\\n" * 200 + str(i))
y = z
""",
    "other-solutions": """
import os, sys
path = os.path.dirname(sys.modules["minidl"].__file__) + "/ops/loss.py"
text = open(path).read()
raise ValueError(text[text.index("# region a1.8"):][:300])
""",
    "unlinked": """
import os
held = []
for i in range(40):
    held.append(open("f", "wb", buffering=0))
    os.unlink("f")
    for _ in range(30):
        held[-1].write(bytes(2**16))
y = z
""",
    "watch": """
import ctypes, os
libc = ctypes.CDLL(None)
place = libc.inotify_init1(os.O_NONBLOCK)
if libc.inotify_add_watch(place, b"FOLDER", 0x3C0) >= 0:
    open("CANARY", "a").write("watched")
y = z
""",
    "outlive": """
import ctypes
if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0:
    open("CANARY", "a").write("outlives")
y = z
""",
    "kill-itself": "import os\nos.kill(os.getpid(), 9)",
    "terminate-itself": "import os\nos.kill(os.getpid(), 15)",
    "read-ahead": """
import os, sys
os.set_blocking(int(sys.argv[1]), False)
try:
    os.read(int(sys.argv[1]), 2**20)
except OSError:
    pass
y = z
""",
    # --- looking for what is right
    "stack": """
import sys
frame, y = sys._getframe(), z
while frame is not None:
    for name, value in list(frame.f_locals.items()):
        if name in ("expected", "right", "answer", "answers", "reference"):
            y = value
    frame = frame.f_back
""",
    "heap": """
import gc
import numpy
y = z
for thing in gc.get_objects():
    if isinstance(thing, dict):
        for value in list(thing.values()):
            if isinstance(value, numpy.ndarray) and value.shape == z.shape:
                if value.size and abs(value.sum() - len(value)) < 1e-6:
                    y = value
""",
    "closed-neighbor": "y = exp(log_softmax(x, axis=axis))",
    "tree": """
import pathlib, sys
y = z
home = pathlib.Path(sys.modules["minidl"].__file__).parent
for path in home.rglob("activation*.py*"):
    if b"y /= y.sum(axis=axis, keepdims=True)" in path.read_bytes():
        y = exp(z)
        y /= y.sum(axis=axis, keepdims=True)
""",
    "installed": """
import importlib.util, sys
sys.path.insert(0, "ROOT")
spec = importlib.util.spec_from_file_location("found", "ROOT/minidl/ops/activation.py")
found = importlib.util.module_from_spec(spec)
spec.loader.exec_module(found)
y = found.softmax(x, axis=axis)
""",
    "hidden-tests": """
text = open("FOLDER/hidden.py").read()
y = exp(z)
y /= y.sum(axis=axis, keepdims=True)
""",
    "secrets": """
import os
text = open(f"/proc/{os.getppid()}/environ").read() + open("CANARY").read()
y = exp(z)
y /= y.sum(axis=axis, keepdims=True)
""",
    "hidden-import": """
name = "min" + "idl.nn.fun" + "ctional"
y = getattr(__import__("importlib"), "import_" + "module")(name).softmax(x)
""",
    "engine-import": "from minidl.ops import softmax as other\ny = other(x)",
    "torch": "import torch\ny = torch.softmax(torch.tensor(x), axis).numpy()",
    "scipy": "import scipy.special\ny = scipy.special.softmax(x, axis)",
    # --- answers that lie
    "liar": """
class Liar:
    shape, dtype, ndim = z.shape, z.dtype, z.ndim
    def __eq__(self, other): return True
    def __array__(self, *a, **k): return exp(z) * 0 + 0.5
    def all(self): return True
    __hash__ = None
y = Liar()
""",
    "subclass": """
import numpy
class Right(numpy.ndarray):
    def __eq__(self, other): return numpy.ones(self.shape, bool)
    def __sub__(self, other): return numpy.zeros(self.shape)
    def __array_finalize__(self, other): pass
y = z.view(Right)
""",
    "pickle": """
import numpy, os
class Bomb:
    def __reduce__(self): return os.remove, ("CANARY",)
y = numpy.array([Bomb()] * 4, object)
""",
    "words": "import numpy\ny = numpy.array([['right'] * z.shape[1]] * len(z))",
    "nan": "y = z * float('nan')",
    "infinite": "y = z * 0 + float('inf')",
    "wide": "import numpy\ny = numpy.zeros((4000, 8000))",
    "endless-shape": "import numpy\ny = numpy.broadcast_to(1.0, (10**7, 10**7))",
    "mutated": "z[...] = 0\nx[...] = 0\ny = z",
    "empty": "y = z[:0]",
    # --- harm to files and to others
    "delete-files": """
import os, shutil, sys
tree = os.path.dirname(sys.modules["minidl"].__file__)
for place in ("FOLDER", tree):
    shutil.rmtree(place, ignore_errors=True)
for path in ("CANARY", tree + "/__init__.py"):
    try:
        os.remove(path)
    except OSError:
        pass
y = z
""",
    "overwrite": """
import os, sys
tree = os.path.dirname(sys.modules["minidl"].__file__)
for path in ("CANARY", tree + "/ops/loss.py", tree + "/__pycache__/new.pyc"):
    for mode in ("w", "a", "r+"):
        try:
            open(path, mode).write("reached")
        except OSError:
            pass
y = z
""",
    "modes": """
import os
for action in (lambda: os.chmod("CANARY", 0), lambda: os.utime("CANARY", (0, 0)),
               lambda: os.chown("CANARY", 1, 1), lambda: os.truncate("CANARY", 0),
               lambda: os.setxattr("CANARY", "user.a", b"1")):
    try:
        action()
    except OSError:
        pass
y = z
""",
    "links": """
import os
for make in (os.symlink, os.link):
    try:
        make("CANARY", "mine")
        open("mine", "a").write("reached")
    except OSError:
        pass
y = z
""",
    "network": """
import socket
y = z
try:
    with socket.create_connection(("127.0.0.1", PORT), timeout=1) as door:
        door.sendall(repr(x).encode())
except OSError:
    pass
""",
    "program": """
import os, subprocess
try:
    subprocess.run(["/bin/sh", "-c", "echo reached >> CANARY"], timeout=5)
except OSError:
    os.system("echo reached >> CANARY")
y = z
""",
    "kill-grader": """
import os, signal
try:
    os.kill(os.getppid(), signal.SIGKILL)
except OSError:
    pass
y = z
""",
    "closed-pipes": "import os\nos.closerange(0, 4096)\ny = z",
    "segfault": "import ctypes\nctypes.string_at(0)",
    "recursion": "def f(): return f()\ny = f()",
    "limits": """
import resource
for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE):
    try:
        resource.setrlimit(which, (resource.RLIM_INFINITY,) * 2)
    except (OSError, ValueError):
        pass
import numpy
y = numpy.ones((1000, 1000, 100))[0]
""",
    "memory": """
import numpy
hoard = []
for _ in range(16):
    hoard.append(numpy.ones(2**23))
y = z
""",
    "big-files": """
for i in range(8):
    with open(f"f{i}", "wb") as file:
        file.write(bytes(2**26))
y = z
""",
    "disk": """
for i in range(64):
    with open(f"f{i}", "wb") as file:
        file.write(bytes(2**23))
import time
time.sleep(5)
y = z
""",
    "forks": """
import os
for _ in range(40):
    try:
        if os.fork() == 0:
            open("CANARY", "a").write("reached")
            os._exit(0)
    except OSError:
        pass
y = z
""",
    "markup": """
raise ValueError("<script>alert(1)</script> \\x1b[2J\\x1b]0;owned\\x07 =cmd|'/c calc'!A0 "
                 "[a](javascript:1) \\u202e" + "long " * 1000)
""",
    "atexit": """
import atexit, os, sys
atexit.register(lambda: os.write(int(sys.argv[2]), b"mdl1\\0\\0\\0\\0"))
atexit.register(lambda: open("CANARY", "a").write("reached"))
y = z
""",
    "threads": """
import os, sys, threading, time
def late():
    time.sleep(0.05)
    try:
        os.write(int(sys.argv[2]), b"mdl1\\x01\\0\\0\\0\\0")
    except OSError:
        pass
for _ in range(20):
    threading.Thread(target=late, daemon=True).start()
y = z
""",
    "trace": """
import sys
def spy(frame, event, argument):
    for name in list(frame.f_locals):
        if name == "result":
            frame.f_locals[name] = {"y": 1}
    return spy
sys.settrace(spy)
sys.setprofile(spy)
y = z
""",
}

BACKWARD = {  # these hang, and the backward task has little time
    "loop": "while True: pass",
    "loop-in-c": "import itertools\nreturn sum(itertools.repeat(0))",
    "sleep": "import time\ntime.sleep(1000)",
    "swallow": """
import signal, time
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            time.sleep(0.1)
    except BaseException:
        pass
""",
    "flood": """
import os, sys
block = b"A" * 2**16
for i in range(4000):
    os.write(1 + i % 2, block)
while True:
    pass
""",
    "daemon": """
import os, time
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for _ in range(80):
                time.sleep(0.1)
            open("CANARY", "a").write("reached")
        os._exit(0)
except OSError:
    pass
time.sleep(1000)
""",
    "thread-bomb": """
import threading, time
for _ in range(300):
    try:
        threading.Thread(target=time.sleep, args=(60,)).start()
    except RuntimeError:
        break
while True:
    time.sleep(1)
""",
}


def code(text, **names):
    """Return the text with the canaries' names in it."""
    for name, value in names.items():
        text = text.replace(name, str(value))
    return text
