"""Files of weights."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("file that is not there", "torch.load('nowhere.pth')", FileNotFoundError, ("nowhere.pth",)),
    Mistake("empty file", "Path('a.pth').write_bytes(b''); torch.load('a.pth')", ValueError, ("a.pth", "empty")),
    Mistake("web page saved as weights", "Path('a.pth').write_text('<!DOCTYPE html><html>'); torch.load('a.pth')", ValueError,
            ("a.pth", "HTML")),
    Mistake("truncated checkpoint", """
        torch.save({'w': torch.zeros(100)}, 'a.mcnn')
        Path('a.mcnn').write_bytes(Path('a.mcnn').read_bytes()[:300])
        torch.load('a.mcnn')
        """, ValueError, ("a.mcnn",)),
    Mistake("hostile pickle", """
        import os, pickle
        class Bomb:
            def __reduce__(self):
                return os.system, ('echo broken > broken.txt',)
        Path('a.pth').write_bytes(pickle.dumps(Bomb()))
        torch.load('a.pth')
        """, ValueError, ("system",)),
    Mistake("saving a whole module", "torch.save(nn.Linear(1, 1), 'a.pth')", TypeError, ("state_dict()",)),
]  # fmt: skip
