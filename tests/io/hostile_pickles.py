"""Pickles made to do harm, put together from small pieces, and files of torch.save around them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import numpy as np

MANY = 20_000


def zip_file(program: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """A file of torch.save with another pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/data.pkl", program)
        archive.writestr("m/byteorder", "little")
        for key, data in (storages or {}).items():
            archive.writestr(f"m/data/{key}", data)
    return file.getvalue()


def legacy_file(program: bytes, keys: list[str] | None = None, storages: bytes = b"") -> bytes:
    """A file of torch.save before 1.6 with another pickle in it."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    return b"".join(pickle.dumps(x, 2) for x in head) + program + pickle.dumps(keys or [], 2) + storages


# --- small pieces of pickles


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(full: str) -> bytes:
    module, _, last = full.rpartition(".")
    return b"c" + module.encode() + b"\n" + last.encode() + b"\n"


def tup(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(full: str, *arguments: bytes) -> bytes:
    return name(full) + tup(*arguments) + b"R"


def storage(count: int = 4, key: str = "0", kind: str = "torch.FloatStorage") -> bytes:
    return tup(text("storage"), name(kind), text(key), text("cpu"), number(count)) + b"Q"


def numbers(*values: int) -> bytes:
    return tup(*map(number, values))


def tensor(*arguments: bytes) -> bytes:
    """The tensor ``(storage, offset, size, stride)``, or what was put in their places."""
    return call("torch._utils._rebuild_tensor_v2", *arguments, b"\x89", b"}")


TOUCH = text("touch canary")

RUNS_CODE = {
    "reduce": call("os.system", TOUCH),
    "reduce, posix": call("posix.system", TOUCH),
    "stack_global": b"\x8c\x02os\x8c\x06system\x93" + tup(TOUCH) + b"R",
    "inst": b"(" + TOUCH + b"ios\nsystem\n",
    "obj": b"(" + name("os.system") + TOUCH + b"o",
    "newobj": name("subprocess.Popen") + tup(TOUCH) + b"\x81",
    "newobj_ex": name("subprocess.Popen") + tup(TOUCH) + b"}\x92",
    "name alone": name("os.system"),
    "eval": call("builtins.eval", text("open('canary', 'w')")),
    "eval of Python 2": call("__builtin__.eval", text("open('canary', 'w')")),
    "exec": call("builtins.exec", text("open('canary', 'w')")),
    "getattr": call("builtins.getattr", name("collections.OrderedDict"), text("__subclasses__")),
    "import": call("builtins.__import__", text("antigravity")),
    "open": call("io.open", text("canary"), text("w")),
    "dotted name": b"\x8c\x0ctorch._utils\x8c\x0aos.system_\x93",
    "attribute of an allowed name": b"\x8c\x0bcollections\x8c\x16OrderedDict.fromkeys_x\x93",
    "numpy": call("numpy.load", text("canary")),
    "numpy runs strings": call("numpy.testing._private.utils.runstring", text("1"), b"}"),
    "torch loads": call("torch.load", text("canary")),
    "torch compiles": call("torch.jit.load", text("canary")),
    "copyreg": call("copyreg._reconstructor", name("collections.OrderedDict")),
    "operator": call("operator.attrgetter", text("system")),
    "partial": call("functools.partial", name("torch._utils._rebuild_tensor")),
    "code": call("types.CodeType"),
    "pickle in a pickle": call("pickle.loads", b"C\x01."),
    "a module": name("__main__.Net"),
    "extension registry": b"\x82\x01",
    "persistent id as text": b"Pstorage\n",
    "hidden in a key": b"}" + tup(call("os.system", TOUCH)) + b"Ns",
    "hidden in a hook": tensor(storage(), number(0), numbers(4), numbers(1)).replace(b"}", call("os.system", TOUCH)),
}

BREAKS_RULES = {
    "calls text": text("os.system") + tup(TOUCH) + b"R",
    "calls a list": b"])R",
    "calls with a list": name("collections.OrderedDict") + b"]R",
    "calls a tensor type": call("torch.Tensor", number(3)),
    "calls a storage type": call("torch.FloatStorage", number(10**12)),
    "calls an element type": call("torch.float32"),
    "builds a list": b"]}b",
    "builds a name": name("torch._utils._rebuild_tensor") + b"}" + text("__code__") + b"Nsb",
    "builds a storage": storage() + b"}b",
    "builds a tensor": tensor(storage(), number(0), numbers(4), numbers(1)) + b"}" + text("__class__") + b"Nsb",
    "builds a tuple of slots": call("collections.OrderedDict") + b"N}\x86b",
    "leaves a name": name("collections.OrderedDict"),
    "leaves a storage": storage(),
    "leaves a storage type": name("torch.FloatStorage"),
    "leaves a numpy type": b"]" + call("numpy.dtype", text("f8")) + b"a",
    "appends to a tuple": b")Na",
    "appends to a set": b"\x8fNa",
    "sets an item of a list": b"]NNs",
    "adds to a list": b"](N\x90",
    "odd items": b"}(Nu",
    "unhashable key": b"}]Ns",
    "tensor as key": b"}" + tensor(storage(), number(0), numbers(4), numbers(1)) + b"Ns",
    "number too large for a key": b"}" + number(2**61 - 1) + b"Ns" + number(2**80) + b"Ns",
    "nothing on the stack": b"",
    "append from nothing": b"a",
    "tuple without mark": b"Nt",
    "tuple of too few": b"N\x87",
    "memo that was never set": b"h\x05",
    "memoize nothing": b"\x94",
    "name that is a number": b"K\x01K\x02\x93",
    "bad UTF-8": b"X\x02\x00\x00\x00\xff\xff",
    "protocol 0": b"(lp0\n",
    "protocol 1": b"\x80\x01N",
    "protocol 9": b"\x80\x09N",
    "unknown instruction": b"\xff",
    "text longer than the file": b"X\xff\xff\xff\xff",
    "bytes longer than any file": b"\x8e" + b"\xff" * 8,
    "bytes of 4 TiB": b"\x8e" + struct.pack("<Q", 2**42),
    "bytearray of 4 TiB": b"\x96" + struct.pack("<Q", 2**42),
    "string of negative length": b"T\xff\xff\xff\xff",
    "integer of 2 GiB": b"\x8b\xff\xff\xff\x7f",
    "name without end": b"c" + b"a" * 5000,
    "nested tuples": b")" + b"\x85" * MANY,
    "nested lists": b"]" * MANY + b"a" * (MANY - 1),
    "nested dictionaries": b"}" + b"N}" * MANY + b"s" * MANY,
    "nested tuples as a key": b"})" + b"\x85" * MANY + b"Ns",
    "nested tuples in a set": b"\x8f()" + b"\x85" * MANY + b"\x90",
    "nested metadata": (call("collections.OrderedDict") + b"}" + text("_metadata")) * 150 + b"N" + b"sb" * 150,
    "list in itself": b"]q\x00h\x00a",
    "dictionary in itself": b"}q\x00Nh\x00s",
    "in itself through a tuple": b"]q\x00h\x00\x85a",
    "a billion lists": b"]N\x94" + b"".join(b"](" + bytes([0x68, i]) * 10 + b"e\x94" for i in range(12)),
}  # fmt: skip

BAD_CALLS = {
    "OrderedDict of text": call("collections.OrderedDict", text("ab")),
    "OrderedDict of triples": call("collections.OrderedDict", b"]" + tup(b"N", b"N", b"N") + b"a"),
    "OrderedDict of unhashables": call("collections.OrderedDict", b"]" + tup(b"]", b"N") + b"a"),
    "Counter of text": call("collections.Counter", text("abc")),
    "Counter of a name": call("collections.Counter", name("torch.Tensor")),
    "set of text": call("builtins.set", text("abc")),
    "set of lists": call("builtins.set", tup(b"]")),
    "encode by another codec": call("_codecs.encode", text("x"), text("rot13")),
    "encode a number": call("_codecs.encode", number(3), text("latin1")),
    "encode what is not latin1": call("_codecs.encode", text("☃"), text("latin1")),
    "bytes by their number": call("__builtin__.bytes", number(2**42)),
    "device of a list": call("torch.device", b"]"),
    "device of a negative index": call("torch.device", text("cuda"), number(-1)),
    "Size of text": call("torch.Size", text("12")),
    "Size of negatives": call("torch.Size", numbers(-1)),
    "too many arguments": call("torch.Size", b")", b")", b")"),
    "too few arguments": call("torch._utils._rebuild_tensor"),
    "rebuild by a type": call("torch._tensor._rebuild_from_type_v2", name("torch.Tensor"), b"N", b")", b"N"),
    "rebuild by text": call("torch._tensor._rebuild_from_type_v2", TOUCH, b"N", b")", b"N"),
    "rebuild with a list": call("torch._tensor._rebuild_from_type_v2", name("torch.Size"), b"N", b"]", b"N"),
    "tensor without storage": tensor(b"]", number(0), numbers(4), numbers(1)),
    "tensor of a name": tensor(name("torch.FloatStorage"), number(0), numbers(4), numbers(1)),
    "tensor beyond its storage": tensor(storage(), number(0), numbers(5), numbers(1)),
    "offset beyond its storage": tensor(storage(), number(1), numbers(4), numbers(1)),
    "strides beyond its storage": tensor(storage(), number(0), numbers(2, 2), numbers(2, 2)),
    "negative offset": tensor(storage(), number(-4), numbers(4), numbers(1)),
    "negative size": tensor(storage(), number(0), numbers(-4, -1), numbers(1, 1)),
    "negative stride": tensor(storage(), number(3), numbers(4), numbers(-1)),
    "size of truths": tensor(storage(), number(0), tup(b"\x88"), numbers(1)),
    "size of text": tensor(storage(), number(0), tup(text("4")), numbers(1)),
    "size that is a list": tensor(storage(), number(0), b"](K\x04e", numbers(1)),
    "size without strides": tensor(storage(), number(0), numbers(4), b")"),
    "offset that is a fraction": tensor(storage(), b"G" + struct.pack(">d", 0.0), numbers(4), numbers(1)),
    "offset of 2**500": tensor(storage(), number(2**500), numbers(4), numbers(1)),
    "stride of 2**500": tensor(storage(), number(0), numbers(1), numbers(2**500)),
    "size of 2**62, stride 0": tensor(storage(), number(0), numbers(2**62, 2**62), numbers(0, 0)),
    "one number, seen 2**40 times": tensor(storage(), number(0), numbers(2**40), numbers(0)),
    "empty, of 2**63": tensor(storage(), number(0), numbers(0, 2**63), numbers(1, 1)),
    "a hundred dimensions": tensor(storage(), number(0), numbers(*[1] * 100), numbers(*[1] * 100)),
    "lazy conjugate": call(
        "torch._utils._rebuild_tensor_v2", storage(), number(0), numbers(4), numbers(1), b"\x89", b"}",
        b"}" + text("conj") + b"\x88s",
    ),
    "storage of 2**60 numbers": tensor(storage(2**60), number(0), numbers(4), numbers(1)),
    "storage of 2**90 numbers": tensor(storage(2**90), number(0), numbers(4), numbers(1)),
    "storage of -4 numbers": tensor(storage(-4), number(0), b")", b")"),
    "storage longer than its entry": tensor(storage(8), number(0), numbers(8), numbers(1)),
    "storage shorter than its entry": tensor(storage(2), number(0), numbers(2), numbers(1)),
    "storage that is not there": tensor(storage(4, "9"), number(0), numbers(4), numbers(1)),
    "storage outside": tensor(storage(4, "../../byteorder"), number(0), numbers(4), numbers(1)),
    "storage in two ways": tup(storage(), storage(2, kind="torch.DoubleStorage")),
    "storages that together are too long": tup(*(storage(60, str(i)) for i in range(200))),
    "storage with a list as key": tup(text("storage"), name("torch.FloatStorage"), b"]", text("cpu"), number(4)) + b"Q",
    "storage of no type": tup(text("storage"), text("float32"), text("0"), text("cpu"), number(4)) + b"Q",
    "storage id too short": tup(text("storage")) + b"Q",
    "storage id of another kind": tup(text("module"), b"N", b"N", b"N", b"N") + b"Q",
    "storage id that is text": text("storage") + b"Q",
    "view of a storage in an unknown form": tup(
        text("storage"), name("torch.FloatStorage"), text("0"), text("cpu"), number(4), numbers(1)) + b"Q",
    "numpy objects": call("numpy.dtype", text("O8"), b"\x89", b"\x88"),
    "numpy dates": call("numpy.dtype", text("M8")),
    "numpy text": call("numpy.dtype", text("S1000000000")),
    "numpy records": call("numpy.dtype", text("f4,O")),
    "numpy type of a list": call("numpy.dtype", b"]"),
    "numpy fields": call("numpy.dtype", text("f8")) + tup(number(3), text("<"), text("x"), b"N", b"}", b"N") + b"b",
    "numpy byte order": call("numpy.dtype", text("f8")) + tup(number(3), text("?"), b"N", b"N", b"N") + b"b",
    "numpy scalar too short": call("numpy.core.multiarray.scalar", call("numpy.dtype", text("f8")), b"C\x01x"),
    "numpy scalar of text": call("numpy.core.multiarray.scalar", text("f8"), b"C\x01x"),
    "numpy scalar of a number": call("numpy.core.multiarray.scalar", call("numpy.dtype", text("f8")), number(3)),
    "numpy array of another class": call("numpy.core.multiarray._reconstruct", name("torch.Tensor"), b")", b"N"),
    "the class of numpy arrays": call("numpy.ndarray", numbers(2**40)),
}  # fmt: skip


def array(shape: bytes, data: bytes) -> bytes:
    state = tup(number(1), shape, call("numpy.dtype", text("f8")), b"\x89", data)
    return call("numpy.core.multiarray._reconstruct", name("numpy.ndarray"), numbers(0), b"C\x01b") + state + b"b"


BAD_CALLS |= {
    "numpy array too large": array(numbers(2**40), b"C\x08" + bytes(8)),
    "numpy array of a negative size": array(numbers(-1, -1), b"C\x08" + bytes(8)),
    "numpy array of no shape": array(b"K\x01", b"C\x08" + bytes(8)),
    "numpy array of many dimensions": array(numbers(*[1] * 100), b"C\x08" + bytes(8)),
    "numpy array with a short state": array(numbers(1), b"").replace(b"\x89", b""),
    "numpy array filled twice": array(numbers(1), b"C\x08" + bytes(8)) + b"}b",
}
ALL = {**RUNS_CODE, **BREAKS_RULES, **BAD_CALLS}

NUMBERS = np.arange(4, dtype=np.float32).tobytes()
STORED = {"0": NUMBERS}  # the storage that most of them refer to


def both_files(program: bytes) -> tuple[bytes, bytes]:
    """The pickle in a file of either format."""
    return zip_file(program, STORED), legacy_file(program, ["0"], struct.pack("<q", 4) + NUMBERS)
